// The system that both sides of the comparison train at the progression's sizes, with made-up texts and
// images. All texts are of one length, so that the other side needs no padding.
#pragma once

#include <vector>

#include "../storybook.hpp"

namespace peer {

using namespace benchmarks;

using models = storybook_models;
using tape = sysdpo::tape<cpu, float>;
using image = painter::value::type;

constexpr index_t vocabulary = 256, prompt_length = 8, caption_length = 6;
constexpr std::int32_t begin_token = 0, separator_token = 1, end_token = 2;

inline sysdpo::model_configs<storybook> model_sizes() {
  sysdpo::transformer_config const author_size{.vocabulary = vocabulary,
                                               .hidden = 64,
                                               .layers = 2,
                                               .heads = 4,
                                               .kv_heads = 2,
                                               .intermediate = 160,
                                               .context = 64};
  sysdpo::unet_config painter_size{.sample_size = 16,
                                   .block_out_channels = {16, 32},
                                   .cross_attention = {false, false},
                                   .heads = 2,
                                   .norm_groups = 8,
                                   .pooled_caption = true};
  painter_size.caption_encoder = {
      .vocabulary = vocabulary, .hidden = 48, .layers = 1, .heads = 4, .intermediate = 96, .context = 16};
  return {author_size, painter_size};
}

inline sysdpo::policy_options<storybook> policies() {
  sysdpo::policy_options<storybook> options;
  options.get<author>() = {.begin = begin_token, .separator = separator_token, .end = end_token};
  auto& denoising = options.get<painter>();
  denoising.begin = begin_token;
  denoising.end = end_token;
  denoising.schedule.kind = sysdpo::schedule_kind::cosine;
  denoising.prediction = sysdpo::prediction_kind::velocity;
  denoising.weight = sysdpo::loss_weight::velocity;
  denoising.sampling.steps = 10;
  return options;
}

/// Models in whose weights no element is zero, so that every product counts in the comparison of the two
/// sides.
inline models make_models() {
  models made(model_sizes(), 1);
  std::uint64_t number = 0;
  made.for_each([&](auto, auto& model) {
    for (auto& weight : model.parameters()) {
      auto& value = weight.value;
      auto const fan_in = static_cast<float>(value.size() / value.extent(0));
      std::vector<float> noise(static_cast<std::size_t>(value.size()));
      sysdpo::fill_normal(std::span(noise), {.seed = 3, .pair = number++});
      auto const is_gain = value.extents().rank() == 1 && weight.name.find("norm") != weight.name.npos &&
                           weight.name.ends_with("weight");
      for (index_t i = 0; i < value.size(); ++i)
        value.data()[i] =
            (is_gain ? 1.0F : 0.0F) +
            (value.extents().rank() == 1 ? 0.1F : 1 / std::sqrt(fan_in)) * noise[static_cast<std::size_t>(i)];
    }
  });
  return made;
}

inline std::vector<std::int32_t> some_text(index_t length, std::uint64_t seed) {
  std::vector<std::int32_t> text;
  for (index_t i = 0; i < length; ++i)
    text.push_back(3 + static_cast<std::int32_t>((seed * 131 + static_cast<std::uint64_t>(i) * 7919) %
                                                 (vocabulary - 3)));
  return text;
}

inline image some_image(std::uint64_t seed) {
  std::vector<float> pixels(3 * 16 * 16);
  sysdpo::fill_normal(std::span(pixels), {.seed = 5, .pair = seed});
  for (auto& x : pixels) x *= 0.4F;
  return image(pixels);
}

inline sysdpo::assignment<storybook> some_page(std::uint64_t question, std::uint64_t side) {
  auto const key = 8 * (2 * question + side);
  sysdpo::assignment<storybook> page;
  sysdpo::get<prompt>(page) = some_text(prompt_length, question);
  sysdpo::get<writer>(page) = {some_text(caption_length, key), some_text(caption_length, key + 1),
                               some_text(caption_length, key + 2)};
  sysdpo::get<panel<0>>(page) = some_image(key);
  sysdpo::get<panel<1>>(page) = some_image(key + 1);
  sysdpo::get<panel<2>>(page) = some_image(key + 2);
  return page;
}

}  // namespace peer
