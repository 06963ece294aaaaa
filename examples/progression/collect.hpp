// Sequences from a system and pairs from sequences: for each prompt several candidates, scored by the
// regressor's readings; the best against the worst is one preference, and the clearest preferences are kept.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <sysdpo.hpp>
#include <vector>

#include "regressor.hpp"
#include "scores.hpp"
#include "system.hpp"

namespace progression {

/// One generated sequence with its score.
struct scored_sequence {
  sequence values;
  sequence_score score = worst_score;
  bool valid = false;  ///< false: the captions were malformed after every retry
};

template <int K>
void copy_image(sequence const& values, std::vector<picture>& images) {
  auto const pixels = sysdpo::get<panel<K>>(values).values();
  picture image{};
  std::copy(pixels.begin(), pixels.end(), image.begin());
  images.push_back(image);
}

/// The three images of a sequence.
inline std::vector<picture> images_of(sequence const& values) {
  std::vector<picture> images;
  copy_image<0>(values, images);
  copy_image<1>(values, images);
  copy_image<2>(values, images);
  return images;
}

/// What names the noise of a sequence, beside its prompt's place: the same for every system, so that systems
/// are compared pairwise.
struct drawing {
  std::uint64_t seed = 0;
  std::uint32_t candidate = 0;  ///< which of several sequences for one prompt
  bool oracle = false;          ///< the captions are the best one can write; the author is not asked
};

/// The images that the painter makes of captions, three by three; the author is not asked.
template <class Backend>
std::vector<picture> paint(models_on<Backend>& models, sysdpo::policy_options<storybook> const& options,
                           std::span<std::array<caption_meaning, 3> const> asked, std::uint64_t seed) {
  std::vector<sysdpo::generation_request<storybook>> requests(asked.size());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    requests[i].id = i;
    sysdpo::get<prompt_source>(requests[i].given) = {bos};
    auto& captions = sysdpo::get<writer>(requests[i].given);
    for (std::size_t k = 0; k < captions.size(); ++k) captions[k] = caption(asked[i][k]);
  }
  sysdpo::generation_options<storybook> settings{.seed = seed, .requests_at_once = 16};
  settings.keep.at<writer>() = true;
  auto const drawn = sysdpo::generate(
      models, options, std::span<sysdpo::generation_request<storybook> const>(requests), settings);
  std::vector<picture> images;
  for (auto const& values : drawn.values)
    for (auto const& image : images_of(values)) images.push_back(image);
  return images;
}

/// One sequence for each of `prompts`, scored by `judge`.
template <class Backend>
std::vector<scored_sequence> generate_sequences(models_on<Backend>& models,
                                                sysdpo::policy_options<storybook> const& options,
                                                regressor& judge, std::span<prompt const> prompts,
                                                drawing const& how) {
  std::vector<sysdpo::generation_request<storybook>> requests(prompts.size());
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    requests[i].id = i;
    sysdpo::get<prompt_source>(requests[i].given) = encode(prompts[i].text);
    if (how.oracle) sysdpo::get<writer>(requests[i].given) = oracle_captions(prompts[i]);
  }
  sysdpo::generation_options<storybook> settings{
      .seed = how.seed, .visit = how.candidate, .requests_at_once = 16};
  settings.keep.at<writer>() = how.oracle;
  auto drawn = sysdpo::generate(models, options,
                                std::span<sysdpo::generation_request<storybook> const>(requests), settings);

  std::vector<picture> images;
  std::vector<int> attributes_read;
  for (std::size_t i = 0; i < prompts.size(); ++i)
    if (drawn.valid[i])
      for (auto const& image : images_of(drawn.values[i])) {
        images.push_back(image);
        attributes_read.push_back(prompts[i].attribute);
      }
  auto const readings = judge.read(images, attributes_read);
  std::vector<scored_sequence> result(prompts.size());
  std::size_t next = 0;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    result[i].values = std::move(drawn.values[i]);
    result[i].valid = drawn.valid[i];
    if (!result[i].valid) continue;
    result[i].score = score_sequence(std::span(readings).subspan(next, 3), prompts[i].increasing);
    next += 3;
  }
  return result;
}

/// The best and the worst of `candidates` sequences for every prompt, where they differ and both can be
/// scored; of these pairs the share `kept` in which q differs most, in the prompts' order. Ids count from
/// `first_id`.
template <class Backend>
std::vector<storybook_pair> collect_pairs(models_on<Backend>& models,
                                          sysdpo::policy_options<storybook> const& options, regressor& judge,
                                          std::span<prompt const> prompts, int candidates, double kept,
                                          std::uint64_t seed, std::uint64_t first_id) {
  std::vector<std::vector<scored_sequence>> drawn;
  for (int candidate = 0; candidate < candidates; ++candidate)
    drawn.push_back(generate_sequences(models, options, judge, prompts,
                                       {.seed = seed, .candidate = static_cast<std::uint32_t>(candidate)}));
  std::vector<storybook_pair> pairs;
  std::vector<double> gaps;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    scored_sequence const* best = nullptr;
    scored_sequence const* worst = nullptr;
    for (auto const& round : drawn) {
      if (!round[i].valid) continue;
      if (best == nullptr || round[i].score.q > best->score.q) best = &round[i];
      if (worst == nullptr || round[i].score.q < worst->score.q) worst = &round[i];
    }
    if (best == nullptr || best->score.q <= worst->score.q) continue;
    pairs.push_back({.id = first_id + i, .chosen = best->values, .rejected = worst->values});
    gaps.push_back(best->score.q - worst->score.q);
  }

  std::vector<storybook_pair> result;
  for (auto const i : clearest(gaps, kept)) result.push_back(std::move(pairs[i]));
  return result;
}

}  // namespace progression
