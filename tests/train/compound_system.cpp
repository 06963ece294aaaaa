// A language model that writes captions and a diffusion model that draws them, tiny, through everything that
// training is made of.
#include "support/catch.hpp"
#include "support/storybook.hpp"
#include "support/temporary_directory.hpp"
#include "sysdpo/train/generate.hpp"
#include "sysdpo/train/trainer.hpp"
#include "train/observe.hpp"

namespace {

using namespace test;
using author = author_of<2>;
using storybook = storybook_of<2>;
using storybook_models = sysdpo::models<storybook, sysdpo::cpu>;

storybook_models some_models() { return storybook_models({tiny_author(), tiny_painter(false, 20)}, 11); }

std::vector<sysdpo::preference<storybook>> some_pairs() { return random_pairs(5); }

using storybook_trainer = sysdpo::trainer<storybook, sysdpo::cpu>;

storybook_trainer::options_type some_training() {
  storybook_trainer::options_type options{.steps = 6, .pairs_per_batch = 3};
  options.rates.at<author_model>() = 1e-2;
  options.rates.at<painter_model>() = 1e-3;
  return options;
}

}  // namespace

TEST_CASE("captions and images: training lowers the loss and resumes bit for bit", "[train]") {
  test::temporary_directory const folder;
  auto const pairs = some_pairs();
  auto const start = some_models();
  auto reference = start;
  auto options = some_training();
  auto expected = start;
  {
    storybook_trainer training(expected, reference, {}, pairs, options, pairs);
    CHECK(training.validate().at("loss") == Approx(std::log(2.0)));
    training.run();
    CHECK(training.validate().at("loss") < 0.6);
  }
  options.checkpoints = folder / "run";
  options.checkpoint_every = 2;
  for (sysdpo::index_t const start_step : {0, 3}) {
    auto policy = start;
    storybook_trainer training(policy, reference, {}, pairs, options);
    CHECK(training.step() == start_step);
    auto stopping = test::stop_at(start_step + 3);
    training.run({&stopping});
    if (training.step() == 6) CHECK(test::weights_of(policy) == test::weights_of(expected));
  }

  auto loaded = some_models();
  sysdpo::load_system(folder / "run" / "step-00000006", loaded);
  CHECK(test::weights_of(loaded) == test::weights_of(expected));
  storybook_models const rebuilt(sysdpo::read_configs<storybook>(folder / "run" / "step-00000006"));
  CHECK(rebuilt.configs() == start.configs());
}

TEST_CASE("captions and images: checkpointed activations change no bit, resumed with or without them",
          "[train]") {
  auto const pairs = some_pairs();
  auto const start = some_models();
  auto reference = start;
  auto options = some_training();
  options.loss.two_pass = GENERATE(false, true);
  options.loss.rows_per_piece = 4;
  auto const run = [&](storybook_trainer::options_type const& chosen, sysdpo::index_t steps = 6) {
    auto policy = start;
    storybook_trainer training(policy, reference, {}, pairs, chosen);
    auto stopping = test::stop_at(steps);
    training.run({&stopping});
    CHECK(policy.get<author_model>().checkpoint_activations() == chosen.checkpoint_activations.values[0]);
    CHECK(policy.get<painter_model>().checkpoint_activations() == chosen.checkpoint_activations.values[1]);
    return test::weights_of(policy);
  };
  auto const expected = run(options);
  auto some = options;
  some.checkpoint_activations.at<painter_model>() = true;
  CHECK(run(some) == expected);
  auto all = options;
  all.checkpoint_activations = sysdpo::model_numbers<storybook, bool>::all(true);
  CHECK(run(all) == expected);

  test::temporary_directory const folder;
  all.checkpoints = some.checkpoints = folder / "run";
  run(all, 2);
  run(some, 4);
  CHECK(run(all) == expected);

  auto policy = start;
  policy.checkpoint_activations(true);
  auto copy = policy;
  CHECK(copy.get<author_model>().checkpoint_activations());
  CHECK(copy.get<painter_model>().checkpoint_activations());
  storybook_trainer(copy, reference, {}, pairs, options).run();  // a trainer switches nothing off
  CHECK(copy.get<author_model>().checkpoint_activations());
  CHECK(test::weights_of(copy) == expected);
  copy.checkpoint_activations(false);
  CHECK_FALSE(copy.get<painter_model>().checkpoint_activations());
}

TEST_CASE("captions and images: a frozen model keeps its weights while the other learns", "[train]") {
  auto const pairs = some_pairs();
  auto policy = some_models();
  auto reference = policy;
  auto const bits = [&](auto const& model) {
    std::vector<std::vector<float>> weights;
    for (auto const& weight : model.parameters()) weights.push_back(weight.value.to_host());
    return weights;
  };
  auto const& writing = policy.get<author_model>();
  auto& drawing = policy.get<painter_model>();
  drawing.parameters().set_trainable(false);
  auto const of_author = bits(writing);
  auto const of_painter = bits(drawing);
  auto options = some_training();
  options.optimizer.weight_decay = 0.1;
  storybook_trainer training(policy, reference, {}, pairs, options);
  for (int step = 0; step < 3; ++step) training.take_step();
  CHECK(bits(drawing) == of_painter);
  CHECK(bits(writing) != of_author);
}

TEST_CASE("captions and images: what is drawn does not depend on the batch", "[generate]") {
  auto models = some_models();
  for (auto& weight : models.get<painter_model>().parameters())
    if (weight.name == "conv_out.weight")
      for (sysdpo::index_t i = 0; i < weight.value.size(); ++i)
        weight.value.data()[i] = std::sin(static_cast<float>(i));
  sysdpo::policy_options<storybook> policies;
  policies.get<author>().sampling.max_new_tokens = 16;
  policies.get<painter>().sampling.steps = 3;
  std::vector<sysdpo::generation_request<storybook>> requests(96);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].id = i;
    sysdpo::get<prompt>(requests[i].given) = {static_cast<std::int32_t>(3 + i % 6)};
  }
  auto const whole =
      sysdpo::generate<storybook>(models, policies, std::span(std::as_const(requests)), {.seed = 2});
  auto const cut = sysdpo::generate<storybook>(models, policies, std::span(std::as_const(requests)),
                                               {.seed = 2, .requests_at_once = 5});
  CHECK(whole.valid == cut.valid);
  CHECK(whole.retries.values == cut.retries.values);
  REQUIRE(std::count(whole.valid.begin(), whole.valid.end(), true) > 3);
  REQUIRE(std::count(whole.valid.begin(), whole.valid.end(), false) > 0);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto const& a = whole.values[i];
    auto const& b = cut.values[i];
    CHECK(sysdpo::get<writer>(a) == sysdpo::get<writer>(b));
    auto const& image = sysdpo::get<panel<1>>(a);
    CHECK(image.empty() == !whole.valid[i]);
    for (std::size_t k = 0; k < image.values().size(); ++k)
      CHECK(image.values()[k] == Approx(sysdpo::get<panel<1>>(b).values()[k]).margin(1e-4));
    if (whole.valid[i]) CHECK_FALSE(image == sysdpo::get<panel<0>>(a));
  }
}
