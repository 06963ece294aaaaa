#include "sysdpo/train/trainer.hpp"

#include "support/catch.hpp"
#include "support/tabular_systems.hpp"
#include "support/temporary_directory.hpp"

using namespace test;
using Catch::Contains;

namespace {

/// Pairs that prefer a higher sum of the two categories.
std::vector<sysdpo::preference<skip_system>> ranked_pairs() {
  std::vector<sysdpo::preference<skip_system>> pairs;
  for (int a = 0; a < 9; ++a)
    for (int b = 0; b < 9; ++b)
      if (a / 3 + a % 3 > b / 3 + b % 3)
        pairs.push_back({.id = pairs.size(),
                         .chosen = outcome<skip_system>(a / 3, a % 3),
                         .rejected = outcome<skip_system>(b / 3, b % 3)});
  return pairs;
}

using tabular_trainer = sysdpo::trainer<skip_system, sysdpo::cpu, double_precision>;
using tabular_options = tabular_trainer::options_type;

tabular_options some_options() {
  return {.loss = {.beta = 0.5},
          .steps = 24,
          .pairs_per_batch = 5,
          .batches_per_step = 2,
          .rates = sysdpo::model_numbers<skip_system>::all(0.05),
          .schedule = {.warmup_steps = 3, .shape = sysdpo::decay::cosine}};
}

/// All weights, one after the other.
template <class Models>
auto weights_of(Models const& models) {
  std::vector<typename Models::precision_type::parameter> all;
  models.for_each([&](auto, auto const& model) {
    for (auto const& weight : model.parameters()) {
      auto const host = weight.value.to_host();
      all.insert(all.end(), host.begin(), host.end());
    }
  });
  return all;
}

/// Listens through a function.
class listener final : public sysdpo::callback {
 public:
  explicit listener(std::function<bool(sysdpo::training_event const&)> listen) : listen_(std::move(listen)) {}
  bool on_step(sysdpo::training_event const& event) override { return listen_(event); }

 private:
  std::function<bool(sysdpo::training_event const&)> listen_;
};

}  // namespace

TEST_CASE("training lowers the loss", "[train]") {
  auto policy = random_models<skip_system>(1);
  auto const reference_start = policy;
  auto reference = policy;
  auto const pairs = ranked_pairs();
  tabular_trainer training(policy, reference, {}, pairs, some_options(), pairs);
  auto const before = training.validate();
  REQUIRE(training.run() == 24);
  auto const after = training.validate();
  CHECK(before.at("loss") == Approx(std::log(2.0)));
  CHECK(after.at("loss") < 0.62);
  CHECK(after.at("rewards/accuracies") > 0.9);
  CHECK(weights_of(reference) == weights_of(reference_start));
}

TEST_CASE("a resumed training ends where the uninterrupted one does, bit for bit", "[train]") {
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto options = some_options();
  options.moving_averages = sysdpo::model_numbers<skip_system>::all(0.9);

  auto uninterrupted = start;
  auto reference = start;
  tabular_trainer whole(uninterrupted, reference, {}, pairs, options);
  whole.run();

  for (sysdpo::index_t const stop : {1, 7, 23}) {
    test::temporary_directory const folder;
    options.checkpoints = folder / "run";
    options.checkpoint_every = 1;
    auto policy = start;
    {
      listener until([&](auto const& event) { return event.step < stop; });
      CHECK(tabular_trainer(policy, reference, {}, pairs, options).run({&until}) == stop);
    }
    auto resumed = start;
    tabular_trainer rest(resumed, reference, {}, pairs, options);
    CHECK(rest.step() == stop);
    CHECK(weights_of(resumed) == weights_of(policy));
    CHECK(rest.run() == 24);
    CHECK(weights_of(resumed) == weights_of(uninterrupted));
    rest.use_averages();
    auto averaged = uninterrupted;
    CHECK(weights_of(resumed) != weights_of(averaged));
  }
}
