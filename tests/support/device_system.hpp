// A language model that writes captions and a diffusion model that draws them, for tests that train and draw
// on kernels as on the CPU.
#pragma once

#include "support/device.hpp"
#include "support/storybook.hpp"
#include "sysdpo/train/generate.hpp"
#include "sysdpo/train/trainer.hpp"

namespace test {

using storybook = storybook_of<2>;
template <class Backend, class Precision = sysdpo::precision<float>>
using models_on = sysdpo::models<storybook, Backend, Precision>;
using half_memory = sysdpo::precision<float, bf16, float>;
using quarter_memory = sysdpo::precision<bf16, bf16, float>;

/// Heads of 8 elements, which kernels take in every format.
inline sysdpo::model_configs<storybook> configs() {
  auto author = tiny_author();
  author.hidden = 16;
  author.heads = 2;
  author.kv_heads = 1;
  auto drawing = tiny_painter(false, 20);
  drawing.block_out_channels = {4, 8};
  drawing.heads = 1;
  drawing.caption_encoder.hidden = 8;
  drawing.caption_encoder.heads = 1;
  return {author, drawing};
}

template <class Backend, class Precision = sysdpo::precision<float>>
models_on<Backend, Precision> some_models() {
  models_on<Backend, Precision> made(configs(), 1);
  for (auto& weight : made.template get<painter_model>().parameters())
    if (weight.name == "conv_out.weight") {
      auto const values = random_numbers<bf16>(weight.value.size(), 5, 0.1);
      weight.value = tensor_of<Backend, typename Precision::parameter>(weight.value.extents(), values);
    }
  return made;
}

inline std::vector<sysdpo::preference<storybook>> some_pairs() { return random_pairs(2); }

/// The metrics of each step.
template <class Backend, class Precision = sysdpo::precision<float>>
std::vector<sysdpo::metric_map> train(int steps, double rate, bool two_pass = false,
                                      bool checkpointed = false) {
  auto policy = some_models<Backend, Precision>();
  auto reference = policy;
  auto const pairs = some_pairs();
  using trainer = sysdpo::trainer<storybook, Backend, Precision>;
  typename trainer::options_type options{.steps = steps, .pairs_per_batch = 2};
  options.rates = options.rates.all(rate);
  options.loss.two_pass = two_pass;
  options.checkpoint_activations = options.checkpoint_activations.all(checkpointed);
  trainer training(policy, reference, {}, pairs, options);
  std::vector<sysdpo::metric_map> metrics;
  for (int step = 0; step < steps; ++step) metrics.push_back(training.take_step());
  return metrics;
}

inline void check_metrics(std::vector<sysdpo::metric_map> const& got,
                          std::vector<sysdpo::metric_map> const& expected, double tolerance) {
  for (std::size_t step = 0; step < got.size(); ++step)
    for (auto const& [name, value] : expected[step]) {
      INFO("step " << step << ", " << name);
      REQUIRE(got[step].count(name) == 1);
      REQUIRE(got[step].at(name) == Approx(value).epsilon(tolerance).margin(tolerance));
    }
}

/// Books for twelve prompts.
template <class Backend, class Precision = sysdpo::precision<float>>
sysdpo::generated<storybook> draw() {
  std::vector<sysdpo::generation_request<storybook>> requests(12);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].id = i;
    sysdpo::get<prompt>(requests[i].given) = {static_cast<std::int32_t>(3 + i % 6)};
  }
  auto models = some_models<Backend, Precision>();
  sysdpo::policy_options<storybook> policies;
  policies.get<author_of<2>>().sampling.max_new_tokens = 12;
  policies.get<painter>().sampling = {.steps = 3, .eta = 0.5, .guidance = 2};
  return sysdpo::generate<storybook>(models, policies, std::span(std::as_const(requests)), {.seed = 2});
}

}  // namespace test
