// The progression's author and painter, as large as they are there, trained on kernels as on the CPU.
#include "progression/corpus.hpp"
#include "progression/system.hpp"
#include "support/device.hpp"

namespace {

using namespace test;
using namespace progression;

// The emulator takes seconds for a step of few pairs.
#if defined(__CUDACC__)
constexpr sysdpo::index_t steps = 5, pairs_a_step = 16;
#else
constexpr sysdpo::index_t steps = 1, pairs_a_step = 1;
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

/// The metrics of each step, losses and gradient norms among them.
template <class Backend>
std::vector<sysdpo::metric_map> train() {
  sysdpo::models<storybook, Backend, progression::precision> policy(model_sizes(), 1);
  // A painter begins with nothing but zeros in its last layer, behind which no gradient goes.
  auto& last = *policy.template get<painter_model>().parameters().find("conv_out.weight");
  last.value =
      tensor_of<Backend, float>(last.value.extents(), random_numbers<float>(last.value.size(), 5, 0.1));
  auto reference = policy;
  auto const pairs = some_pairs();
  sysdpo::trainer_options<storybook> options{.steps = steps, .pairs_per_batch = pairs_a_step};
  options.loss.beta = 0.5;
  options.rates = options.rates.all(1e-3);
  sysdpo::trainer<storybook, Backend, progression::precision> training(policy, reference, policy_settings(3),
                                                                       pairs, options);
  std::vector<sysdpo::metric_map> metrics;
  for (sysdpo::index_t step = 0; step < steps; ++step) metrics.push_back(training.take_step());
  return metrics;
}

}  // namespace

TEST_CASE("the progression trains on kernels as on the CPU", "[examples]") {
  auto const expected = train<sysdpo::cpu>();
  auto const got = train<device>();
  for (std::size_t step = 0; step < expected.size(); ++step) {
    REQUIRE(got[step].size() == expected[step].size());
    for (auto const& [name, value] : expected[step]) {
      INFO("step " << step << ", " << name);
      // What differs by a rounding differs by more from step to step.
      REQUIRE(got[step].at(name) == Approx(value).epsilon(1e-3).margin(1e-3));
    }
    CHECK(expected[step].at("model/painter/gradient_norm") > 0.01);
  }
}
