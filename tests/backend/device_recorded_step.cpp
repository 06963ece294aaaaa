// A step that is recorded and done again: by itself, and as a training's.
#include "sysdpo/backend/recorded_step.hpp"

#include <string>
#include <thread>

#include "support/device_system.hpp"
#include "sysdpo/op/embedding.hpp"
#include "sysdpo/op/scale.hpp"
#include "train/tabular_training.hpp"

using namespace test;

#if defined(__CUDACC__)
using late = device;
#else
/// What kernels report shows up when somebody waits, as on a GPU.
struct late : sysdpo::emulated {
  static constexpr bool is_synchronous = false;
};
namespace sysdpo {
template <>
struct implement<sort_ids_op, late> : implement<sort_ids_op, emulated> {};
template <>
struct implement<product_op, late> : implement<product_op, emulated> {};
}  // namespace sysdpo
#endif

namespace {

using array = sysdpo::tensor<device, float>;
using recording = sysdpo::recorded_step<device>;

/// y = factor · rows[ids], on what the host has when it is walked.
struct chosen_rows {
  array rows = tensor_of<device, float>({3, 4}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  std::vector<std::int32_t> ids{2, 0};
  double factor = 2;
  int steps = 1;  // that are done one after the other
  sysdpo::tape<device, float> tape{sysdpo::recording::off};
  array y{};

  void operator()() {
    y = {};
    auto const chosen =
        sysdpo::embedding(tape, sysdpo::variable<device, float>(rows),
                          sysdpo::tensor<device, std::int32_t>::from_host({std::ssize(ids)}, ids));
    auto scaled = chosen;
    for (int i = 0; i < steps; ++i) scaled = sysdpo::scale(tape, scaled, factor);
    y = scaled.value();
  }
};

struct training {
  std::vector<sysdpo::metric_map> metrics;
  index_t replayed;
};

/// What a training of `start` on `pairs` says of each step.
template <class System>
training trained(sysdpo::models<System, device> const& start,
                 std::vector<sysdpo::preference<System>> const& pairs,
                 sysdpo::trainer_options<System> const& options) {
  auto policy = start;
  auto reference = start;
  sysdpo::trainer<System, device> made(policy, reference, {}, pairs, options);
  training done{};
  std::uint64_t allocations = 0;
  for (index_t step = 0; step < options.steps; ++step) {
    done.metrics.push_back(made.take_step());
    if (step == 1) allocations = device::memory().system_allocations();
  }
  if (options.draw_noise_every == 0) CHECK(device::memory().system_allocations() == allocations);
  done.replayed = made.replayed_steps();
  return done;
}

/// Trains with recorded steps and without; returns how many steps were replays.
template <class System>
index_t check_same(sysdpo::models<System, device> const& start,
                   std::vector<sysdpo::preference<System>> const& pairs,
                   sysdpo::trainer_options<System> options) {
  auto const ordinary = trained(start, pairs, options);
  CHECK(ordinary.replayed == 0);
  options.record_steps = true;
  auto const recorded = trained(start, pairs, options);
  CHECK(recorded.metrics == ordinary.metrics);  // the same bits
  return recorded.replayed;
}

}  // namespace

TEST_CASE("a recorded step is done again, on what the host has then", "[backend]") {
  chosen_rows step;
  step();
  recording again(step);
  again.replay();
  auto const* const first = step.y.data();
  CHECK(numbers_of(step.y) == numbers{16, 18, 20, 22, 0, 2, 4, 6});

  step.ids = {1, 1};
  step.factor = 10;
  again.replay();
  CHECK(numbers_of(step.y) == numbers{16, 18, 20, 22, 0, 2, 4, 6});  // as recorded
  array const foreign = tensor_of<device, float>({2, 4}, numbers(8, 5));
  REQUIRE(again.update(step));
  CHECK(step.y.data() == first);
  again.replay();
  CHECK(numbers_of(step.y) == numbers{40, 50, 60, 70, 40, 50, 60, 70});
  CHECK(numbers_of(foreign) == numbers(8, 5));

  step.rows = tensor_of<device, float>({3, 4}, numbers(12, 7));  // where it reads from may change too
  REQUIRE(again.update(step));
  again.replay();
  CHECK(numbers_of(step.y) == numbers(8, 70));
}

TEST_CASE("other work than was recorded is found out", "[backend]") {
  chosen_rows step;
  step();
  {
    recording again(step);
    SECTION("a kernel more") { step.steps = 2; }
    SECTION("a kernel less") { step.steps = 0; }
    SECTION("more rows") { step.ids.resize(400, 1); }
    SECTION("one row less") { step.ids = {1}; }
    SECTION("nothing") { step.ids = {}; }
    array kept;
    SECTION("somebody holds the result") { kept = step.y; }
    CHECK(!again.update(step));
    CHECK(!again.update(step));
    CHECK_THROWS_WITH(again.replay(), Catch::Contains("other work than was recorded"));
  }
  chosen_rows anew;
  anew();
  CHECK(numbers_of(anew.y) == numbers{16, 18, 20, 22, 0, 2, 4, 6});
}

TEST_CASE("other work is other work, even where somebody catches what a walk throws", "[backend]") {
  chosen_rows step;
  step();
  int more = 0;
  auto const careless = [&] {
    step();
    try {
      if (more == 1) array const another({1000});
      if (more == 2) device::zero(step.rows.data(), 4);
      if (more == 3) (void)device::reports().take([](std::int64_t, std::int64_t) {});
    } catch (...) {
    }
  };
  recording again(careless);
  REQUIRE(again.update(careless));
  more = GENERATE(1, 2, 3);
  CHECK(!again.update(careless));
}

TEST_CASE("a recording gives its memory back", "[backend]") {
  chosen_rows step;
  step();
  auto const held = device::memory().held_bytes();
  for (int i = 0; i < 3; ++i) {
    recording again(step);
    again.replay();
    step.y = {};
  }
  step();
  CHECK(device::memory().held_bytes() == held);
}

TEST_CASE("a recording serves the thread that made it, and others' memory is not its own", "[backend]") {
  chosen_rows step;
  step();
  recording again(step);
  bool updated = true;
  std::string refused;
  std::jthread([&] {
    updated = again.update(step);
    try {
      again.replay();
    } catch (sysdpo::error const& error) {
      refused = error.what();
    }
  }).join();
  CHECK(!updated);
  CHECK_THAT(refused, Catch::Contains("another thread has recorded it"));
  REQUIRE(again.update(step));

  refused.clear();
  recording const disturbed([&] {
    step();
    std::jthread([&] {
      try {
        array const foreign({4});
      } catch (sysdpo::error const& error) {
        refused = error.what();
      }
    }).join();
  });
  CHECK_THAT(refused, Catch::Contains("another thread records"));
}

TEST_CASE("what the kernels of a replay find wrong shows up after it", "[backend]") {
  chosen_rows step;
  step();
  recording again(step);
  step.ids = {1, 5};
  REQUIRE(again.update(step));
  again.replay();
  CHECK_THROWS_WITH(step.y.to_host(), Catch::Contains("position 1): id 5 lies outside the vocabulary of 3"));
  step.ids = {1, 2};
  REQUIRE(again.update(step));
  again.replay();
  CHECK(numbers_of(step.y) == numbers{8, 10, 12, 14, 16, 18, 20, 22});
}

TEST_CASE("an optimiser's step waits for nothing, and can be part of a recording", "[backend]") {
  using precision = sysdpo::precision<float>;
  sysdpo::parameter_set<device, precision> weights;
  auto& weight = weights.add("w", {3, 5}, sysdpo::ones);
  weight.gradient.open({3, 5});
  auto const gradient = tensor_of<device, float>({15}, numbers(15, 2));
  device::copy(weight.gradient.value.data(), gradient.data(), gradient.bytes());
  sysdpo::tensor<device, double> const losses = tensor_of<device, double>({2}, {0.5, 0.25});
  sysdpo::adamw<device, precision> optimizer;
  sysdpo::tensor<device, double> squared_norms({1});
  auto const step = [&] {
    sysdpo::sum_squared_gradients(weights, squared_norms.view());
    auto const scales = sysdpo::gradient_scales(squared_norms, losses, 1);
    optimizer.step(weights, 0.125, scales.const_view());
  };
  step();
  recording again(step);  // an error if anything waited
  again.replay();
  CHECK(numbers_of(squared_norms) == numbers{60});
  for (auto const w : numbers_of(weight.value)) CHECK(w == Approx(0.75));  // two steps of the rate each
}

TEST_CASE("a step that cannot be recorded leaves all as it was", "[backend]") {
  chosen_rows step;
  step();
  auto const in_use = device::memory().bytes_in_use();
  CHECK_THROWS_WITH(recording([&] {
                      step();
                      (void)step.y.to_host();
                    }),
                    Catch::Contains("(a download): a step that is recorded cannot do that"));
  CHECK_THROWS_WITH(recording([&] { recording const inner(step); }), Catch::Contains("another recording"));
  device::memory().set_limit(device::memory().held_bytes());
  CHECK_THROWS_AS(recording([] { array const large({100'000}); }), sysdpo::memory_error);
  device::memory().set_limit(0);
  CHECK_THROWS_WITH(recording([] { sysdpo::fail({"step", "", "its own", ""}); }), "step: its own.");
  step();
  CHECK(numbers_of(step.y) == numbers{16, 18, 20, 22, 0, 2, 4, 6});
  CHECK(device::memory().bytes_in_use() == in_use);

  recording again(step);
  CHECK_THROWS_WITH(recording([&] { again.replay(); }), Catch::Contains("(a replay)"));
  CHECK_THROWS_WITH(again.update([] { sysdpo::fail({"step", "", "its own", ""}); }), "step: its own.");
  CHECK(!again.update(step));
  step();
  CHECK(numbers_of(step.y) == numbers{16, 18, 20, 22, 0, 2, 4, 6});
}

namespace {

template <class Backend = device>
sysdpo::models<skip_system, Backend> some_tables() {
  sysdpo::table_config const first{.contexts = 1, .categories = 3, .initial_deviation = 1};
  sysdpo::table_config const second{.contexts = 3, .categories = 3, .initial_deviation = 1};
  return sysdpo::models<skip_system, Backend>({first, second}, 1);
}

}  // namespace

TEST_CASE("a training whose steps are recorded computes the same bits", "[backend]") {
  auto const start = some_tables();
  auto const pairs = ranked_pairs();
  auto const options = [](auto const& adjust) {
    sysdpo::trainer_options<skip_system> made{.steps = 12, .pairs_per_batch = 4};
    made.rates = made.rates.all(0.05);
    adjust(made);
    return made;
  };
  using given = sysdpo::trainer_options<skip_system>&;
  // The first step is an ordinary one, the second is recorded, the others are replays.
  CHECK(check_same(start, pairs, options([](given) {})) == 10);
  CHECK(check_same(start, pairs, options([](given it) { it.batches_per_step = 3; })) == 10);
  CHECK(check_same(start, pairs, options([](given it) {
                     it.loss.two_pass = true;
                     it.loss.rows_per_piece = 3;
                   })) == 10);
  // Steps 5 and 10 draw noise once more, and the ones behind them are recorded anew.
  CHECK(check_same(start, pairs, options([](given it) { it.draw_noise_every = 5; })) == 6);
  // A recording that never serves is not made again at once.
  CHECK(check_same(start, pairs, options([](given it) { it.draw_noise_every = 3; })) == 1);
}

TEST_CASE("what other work reports ends a step that is sound, and counts", "[backend]") {
  auto const start = some_tables<late>();
  auto reference = start;
  auto const pairs = ranked_pairs();
  sysdpo::trainer_options<skip_system> options{.steps = 6, .pairs_per_batch = 4};
  options.rates = options.rates.all(0.05);
  auto undisturbed = start;
  sysdpo::trainer<skip_system, late> whole(undisturbed, reference, {}, pairs, options);
  whole.take_step();
  auto const second = whole.take_step();

  auto policy = start;
  sysdpo::trainer<skip_system, late> training(policy, reference, {}, pairs, options);
  auto* const slot = late::reports().take([](std::int64_t, std::int64_t id) {
    sysdpo::fail({"elsewhere", "", "id " + std::to_string(id), ""});
  });
  slot[1] = 7;
  slot[0] = 3;
  CHECK_THROWS_WITH(training.take_step(), Catch::Contains("elsewhere: id 7"));
  CHECK(training.step() == 1);
  CHECK(training.take_step() == second);
}

TEST_CASE("an unsound step changes nothing on a device, recorded or not", "[backend]") {
  auto const records = GENERATE(false, true);
  auto const start = some_tables();
  auto pairs = ranked_pairs();
  sysdpo::trainer_options<skip_system> options{.steps = 6, .pairs_per_batch = 4, .record_steps = records};
  options.rates = options.rates.all(0.05);
  auto const undisturbed = trained(start, pairs, options);

  auto policy = start;
  auto reference = start;
  sysdpo::trainer<skip_system, device> training(policy, reference, {}, pairs, options);
  for (index_t step = 0; step < options.steps; ++step) {
    for (auto& pair : pairs) pair.weight = 1e300;
    CHECK_THROWS_WITH(training.take_step(), Catch::Contains("is no finite number"));
    for (auto& pair : pairs) pair.weight = 1;
    auto const metrics = training.take_step();
    CHECK(metrics == undisturbed.metrics[static_cast<std::size_t>(step)]);
  }
}

TEST_CASE("a compound system's recorded steps compute the same bits", "[backend]") {
  auto pairs = random_pairs(2);
  sysdpo::trainer_options<storybook> options{.steps = 3, .pairs_per_batch = 1};
  options.rates = options.rates.all(1e-2);
  options.checkpoint_activations = options.checkpoint_activations.all(true);
  // Texts of one length: those of others are other work.
  std::int32_t word = 3;
  for (auto& pair : pairs)
    for (auto* page : {&pair.chosen, &pair.rejected})
      for (auto& caption : sysdpo::get<writer>(*page)) {
        caption.resize(2);
        for (auto& token : caption) token = word = word == 8 ? 3 : word + 1;
      }
  CHECK(check_same(some_models<device>(), pairs, options) == 1);
}
