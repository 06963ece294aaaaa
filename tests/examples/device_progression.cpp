// The progression's stages on kernels as on the CPU: pre-training of its author and painter, as large as they
// are there, their alignment, and what a GPU can do in the time, drawing and collecting pairs.
#include "progression/align.hpp"
#include "progression/corpus.hpp"
#include "progression/pretrain.hpp"
#include "support/device.hpp"

namespace {

using namespace test;
using namespace progression;

// The emulator takes seconds for a step of few pairs.
#if defined(__CUDACC__)
constexpr bool on_gpu = true;
constexpr sysdpo::index_t steps = 5, pairs_a_step = 16, pretraining_steps = 40, batch = 32;
#else
constexpr bool on_gpu = false;
constexpr sysdpo::index_t steps = 1, pairs_a_step = 1, pretraining_steps = 1, batch = 1;
#endif

/// Captions in order against captions in any, each with pictures that may show something else.
std::vector<storybook_pair> some_pairs() {
  random_stream random(7);
  auto const prompts = make_prompts(4).train;
  std::vector<storybook_pair> pairs(static_cast<std::size_t>(steps * pairs_a_step));
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].id = i;
    for (auto* side : {&pairs[i].chosen, &pairs[i].rejected}) {
      auto const text =
          draw_author_example({prompts[i % prompts.size()]}, random, side == &pairs[i].chosen ? 1 : 0);
      sysdpo::get<prompt_source>(*side) = text.request;
      sysdpo::get<writer>(*side) = text.captions;
      for (auto* image :
           {&sysdpo::get<panel<0>>(*side), &sysdpo::get<panel<1>>(*side), &sysdpo::get<panel<2>>(*side)}) {
        auto const drawn = draw_painter_example(random).image;
        *image = painter::value::type(std::vector<float>(drawn.begin(), drawn.end()));
      }
    }
  }
  return pairs;
}

/// Keeps the metrics of each step, losses and gradient norms among them.
struct keep_metrics final : sysdpo::callback {
  std::vector<sysdpo::metric_map> metrics{};
  bool on_step(sysdpo::training_event const& event) override {
    metrics.push_back(event.metrics);
    return true;
  }
};

/// What the stages say.
struct told {
  double author_loss, painter_loss;
  std::vector<sysdpo::metric_map> alignment;
};

template <class Backend>
told run() {
  auto const options = policy_settings(3);
  models_on<Backend> policy(model_sizes(), 1);
  // A painter begins with nothing but zeros in its last layer, behind which no gradient goes.
  auto& last = *policy.template get<painter_model>().parameters().find("conv_out.weight");
  last.value =
      tensor_of<Backend, float>(last.value.extents(), random_numbers<float>(last.value.size(), 5, 0.1));

  pretraining const how{.steps = pretraining_steps, .batch = batch};
  auto const prompts = make_prompts(4).train;
  told result{pretrain_author(policy, options, prompts, how, 0.35F, ""),
              pretrain_painter(policy, options, how, 0.4F, ""),
              {}};

  models_on<Backend> reference(policy);
  keep_metrics keeping;
  train_round<sysdpo::logistic>(policy, reference, options, some_pairs(), steps, {.batch = pairs_a_step},
                                {.author_rate = 1e-3, .painter_rate = 1e-3}, true, 1, {&keeping});
  result.alignment = keeping.metrics;

  if constexpr (on_gpu) {  // what is drawn hangs on roundings: that it can be, and is scored, must do
    regressor judge(3);
    auto const asked = std::span(prompts).first(8);
    auto const drawn = generate_sequences(policy, options, judge, asked, {.seed = 1});
    REQUIRE(drawn.size() == asked.size());
    (void)collect_pairs(policy, options, judge, asked, 2, 1.0, 1, 0);
  }
  return result;
}

}  // namespace

TEST_CASE("the progression's stages do on kernels what they do on the CPU", "[examples]") {
  auto const expected = run<sysdpo::cpu>();
  auto const got = run<device>();
  CHECK(got.author_loss == Approx(expected.author_loss).epsilon(on_gpu ? 1e-2 : 1e-5));
  CHECK(got.painter_loss == Approx(expected.painter_loss).epsilon(on_gpu ? 1e-2 : 1e-5));
  REQUIRE(expected.alignment.size() == steps);
  for (std::size_t step = 0; step < expected.alignment.size(); ++step) {
    REQUIRE(got.alignment[step].size() == expected.alignment[step].size());
    for (auto const& [name, value] : expected.alignment[step]) {
      INFO("step " << step << ", " << name);
      // What differs by a rounding differs by more from step to step.
      REQUIRE(got.alignment[step].at(name) == Approx(value).epsilon(1e-3).margin(on_gpu ? 1e-2 : 1e-3));
    }
    CHECK(expected.alignment[step].at("model/painter/gradient_norm") > 0.01);
  }
}
