// From nothing to the unaligned system and its judge: the regressor on rendered scenes, the author and the
// painter on corpora that make both imperfect (corpus.hpp says how and why).
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <sysdpo.hpp>
#include <vector>

#include "collect.hpp"
#include "corpus.hpp"
#include "regressor.hpp"
#include "report_data.hpp"
#include "scores.hpp"
#include "system.hpp"

namespace progression {

/// How long and how fast one model is pre-trained.
struct pretraining {
  sysdpo::index_t steps = 1000;
  sysdpo::index_t batch = 64;
  double rate = 2e-3;
};

/// Minimises `loss(tape, step) → variable of any size` (its mean) over `weights` with AdamW, warm-up and
/// cosine decay; keeps an average of the weights and ends with it. `show` names the progress bar; empty for
/// none. Returns the loss, smoothed over the last fifty steps or so.
template <class Backend, class Loss>
double pretrain(sysdpo::parameter_set<Backend, precision>& weights, pretraining const& settings,
                std::string const& show, Loss&& loss) {
  sysdpo::adamw<Backend, precision> optimizer({.beta2 = 0.99, .weight_decay = 0.01});
  sysdpo::moving_average<Backend, precision> average(weights, 0.99);
  sysdpo::learning_rate_schedule const schedule{
      .warmup_steps = 50, .shape = sysdpo::decay::cosine, .final_factor = 0.02};
  sysdpo::progress bar(show, settings.steps);
  sysdpo::tape<Backend, float> tape;
  double smooth = 0;
  for (sysdpo::index_t step = 0; step < settings.steps; ++step) {
    weights.clear_gradients();
    auto const losses = loss(tape, step);
    auto const count = losses.extents().size();
    double mean = 0;
    for (auto const value : losses.value().to_host())
      mean += static_cast<double>(value) / static_cast<double>(count);
    if (!std::isfinite(mean))
      sysdpo::fail({"pre-training", fmt::format("{}, step {}", show, step + 1),
                    "the loss is no finite number", "Lower the learning rate"});
    auto const share = 1.0F / static_cast<float>(count);
    tape.backward(losses, sysdpo::tensor<Backend, float>::from_host(
                              losses.extents(), std::vector<float>(static_cast<std::size_t>(count), share)));
    auto const norm = std::sqrt(sysdpo::squared_gradient_norm(weights));
    optimizer.step(weights, settings.rate * schedule.factor(step, settings.steps), norm > 1 ? 1 / norm : 1);
    average.update(weights);
    smooth = step == 0 ? mean : 0.98 * smooth + 0.02 * mean;
    bar.advance(step + 1, fmt::format("loss {:.4f}", smooth));
  }
  average.copy_to(weights);
  return smooth;
}

/// Teaches the author its corpus: −log p of three captions given the prompt.
template <class Backend>
double pretrain_author(models_on<Backend>& models, sysdpo::policy_options<storybook> const& options,
                       std::vector<prompt> const& prompts, pretraining const& settings, float p_order,
                       std::string const& show = "author") {
  using row = sysdpo::scored_row<author::value, sysdpo::text>;
  random_stream random(11);
  auto& model = models.template get<author_model>();
  std::vector<author_example> examples;
  std::vector<row> rows;
  return pretrain(model.parameters(), settings, show, [&](auto& tape, sysdpo::index_t) {
    examples.clear();
    rows.clear();
    for (sysdpo::index_t i = 0; i < settings.batch; ++i)
      examples.push_back(draw_author_example(prompts, random, p_order));
    for (auto const& example : examples)
      rows.push_back({.value = &example.captions, .parents = {&example.request}});
    auto const log_prob = author::log_prob(tape, model, options.get<author>(), std::span<row const>(rows));
    return sysdpo::scale(tape, log_prob,
                         -1.0 / 18);  // about one caption list's tokens: the loss is per token
  });
}

/// Teaches the painter its corpus: the denoising loss of an image given its caption.
template <class Backend>
double pretrain_painter(models_on<Backend>& models, sysdpo::policy_options<storybook> const& options,
                        pretraining const& settings, float rho, std::string const& show = "painter") {
  using row = sysdpo::scored_row<painter::value, sysdpo::text>;
  random_stream random(12);
  auto& model = models.template get<painter_model>();
  auto denoising = options.get<painter>();
  denoising.first_step = 1;
  denoising.last_step = 0;
  std::vector<painter_example> examples;
  std::vector<painter::value::type> images;
  std::vector<row> rows;
  model.parameters().set_trainable(true);
  return pretrain(model.parameters(), settings, show, [&](auto& tape, sysdpo::index_t step) {
    examples.clear();
    images.clear();
    rows.clear();
    for (sysdpo::index_t i = 0; i < settings.batch; ++i) {
      examples.push_back(draw_painter_example(random, rho));
      images.emplace_back(std::vector<float>(examples.back().image.begin(), examples.back().image.end()));
    }
    for (std::size_t i = 0; i < examples.size(); ++i)
      rows.push_back(
          {.value = &images[i],
           .parents = {&examples[i].caption},
           .key = {
               .seed = 13, .pair = static_cast<std::uint64_t>(step), .node = static_cast<std::uint32_t>(i)}});
    return painter::loss(tape, model, denoising, std::span<row const>(rows));
  });
}

/// Teaches the regressor to read levels. Attributes that a picture is not about weigh little: a reading is
/// only ever asked of pictures that are, and naturally absent ones would draw every doubtful reading towards
/// 0.
inline void pretrain_regressor(regressor& judge, pretraining const& settings,
                               std::string const& show = "regressor") {
  constexpr float weight_of_natural = 0.05F;
  random_stream random(14);
  pretrain(judge.weights(), settings, show, [&](regressor::tape_type& tape, sysdpo::index_t) {
    std::vector<picture> images;
    std::vector<float> levels, weights;
    for (sysdpo::index_t i = 0; i < settings.batch; ++i) {
      auto const example = draw_regressor_example(random);
      images.push_back(example.image);
      levels.insert(levels.end(), example.level.begin(), example.level.end());
      for (bool const about : example.about) weights.push_back(about ? 1.0F : weight_of_natural);
    }
    sysdpo::shape const readings{settings.batch * attribute_count};
    using sysdpo::cpu, sysdpo::tensor;
    return sysdpo::denoising_loss(tape, judge.levels(tape, regressor::pack(images)).reshaped(readings),
                                  tensor<cpu, float>::from_host(readings, levels),
                                  tensor<cpu, float>::from_host(readings, weights), sysdpo::reduction::mean);
  });
}

/// How well the regressor reads each attribute off `count` fresh scenes about it.
inline std::vector<regressor_result> examine_regressor(regressor& judge, int count) {
  std::vector<regressor_result> results;
  random_stream random(15);
  for (int a = 0; a < attribute_count; ++a) {
    std::vector<picture> images;
    std::vector<float> truth;
    for (int i = 0; i < count; ++i) {
      auto const example = draw_regressor_example(random, a);
      images.push_back(example.image);
      truth.push_back(example.level[static_cast<std::size_t>(a)]);
    }
    auto const read = judge.read(images, std::vector<int>(images.size(), a));
    results.push_back({.attribute = std::string(attributes[static_cast<std::size_t>(a)].name),
                       .r2 = r_squared(truth, read),
                       .spearman = spearman(truth, read)});
  }
  return results;
}

/// Rank correlation between the levels that captions name and the levels read off the images painted for
/// them, for every attribute: six images at each place.
template <class Backend>
std::vector<double> examine_painter(models_on<Backend>& models,
                                    sysdpo::policy_options<storybook> const& options, regressor& judge) {
  std::vector<std::array<caption_meaning, 3>> asked;
  for (int a = 0; a < attribute_count; ++a)
    for (int p = 0; p < place_count; ++p)
      for (int const first : {0, 2}) {
        auto& triple = asked.emplace_back();
        for (int k = 0; k < 3; ++k)
          triple[static_cast<std::size_t>(k)] = {.place = p, .attribute = a, .level = first + k};
      }
  auto const images = paint(models, options, asked, 16);
  std::vector<int> attributes_read;
  for (auto const& triple : asked)
    for (auto const& meaning : triple) attributes_read.push_back(meaning.attribute);
  auto const readings = judge.read(images, attributes_read);

  std::vector<double> correlations;
  std::size_t const each = readings.size() / attribute_count;
  for (std::size_t begin = 0; begin < readings.size(); begin += each) {
    std::vector<float> named;
    for (std::size_t i = begin; i < begin + each; ++i)
      named.push_back(level_value(asked[i / 3][i % 3].level));
    correlations.push_back(spearman(named, std::span(readings).subspan(begin, each)));
  }
  return correlations;
}

}  // namespace progression
