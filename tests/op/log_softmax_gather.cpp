#include "sysdpo/op/log_softmax_gather.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/linear.hpp"
#include "sysdpo/backend/cpu/log_softmax_gather.hpp"
#include "sysdpo/backend/cpu/silu.hpp"
#include "sysdpo/op/add.hpp"
#include "sysdpo/op/linear.hpp"
#include "sysdpo/op/scale.hpp"
#include "sysdpo/op/silu.hpp"

using ids = sysdpo::tensor<sysdpo::cpu, std::int32_t>;
using sysdpo::index_t;
using test::random_tensor;

TEST_CASE("log_softmax_gather agrees with its definition and its finite differences", "[op]") {
  auto const logits = random_tensor({4, 9}, 1, 3.0);
  auto const targets = ids::from_host({4}, std::vector<std::int32_t>{8, 0, 3, 3});
  test::tape tape(sysdpo::recording::off);
  auto const y = sysdpo::log_softmax_gather(tape, tape.constant(logits), targets).value();
  for (index_t n = 0; n < 4; ++n) {
    double sum = 0;
    for (index_t v = 0; v < 9; ++v) sum += std::exp(logits.data()[n * 9 + v]);
    REQUIRE(y.data()[n] == Approx(logits.data()[n * 9 + targets.data()[n]] - std::log(sum)));
  }
  test::check_gradients(
      [&](auto& t, auto const& in) { return sysdpo::log_softmax_gather(t, in[0], targets); }, {logits});
}

TEST_CASE("log_softmax_gather tells entropies and most probable words where it is asked", "[op]") {
  auto logits = random_tensor({4, 9}, 1, 3.0);
  logits.data()[3] = -std::numeric_limits<double>::infinity();
  auto const targets = ids::from_host({4}, std::vector<std::int32_t>{8, 0, 3, 3});
  test::tape tape(sysdpo::recording::off);
  sysdpo::word_statistics<sysdpo::cpu, double> told;
  auto const y = sysdpo::log_softmax_gather(tape, tape.constant(logits), targets,
                                            sysdpo::logits_memory::reuse_if_free, &told)
                     .value();
  REQUIRE(y.to_host() == sysdpo::log_softmax_gather(tape, tape.constant(logits), targets).value().to_host());
  for (index_t n = 0; n < 4; ++n) {
    auto const* const row = logits.data() + n * 9;
    double sum = 0;
    double products = 0;
    for (index_t v = 0; v < 9; ++v) sum += std::exp(row[v]);
    for (index_t v = 0; v < 9; ++v)
      if (std::exp(row[v]) > 0) products += std::exp(row[v]) / sum * (row[v] - std::log(sum));
    REQUIRE(told.entropies.data()[n] == Approx(-products));
    REQUIRE(told.tops.data()[n] == std::max_element(row, row + 9) - row);
  }
}

TEST_CASE("log_softmax_gather in float does not mind large logits", "[op]") {
  auto const logits =
      sysdpo::tensor<sysdpo::cpu, float>::from_host({2, 2}, std::vector<float>{1e4F, 1e4F, -1e4F, 0});
  sysdpo::tape<sysdpo::cpu, float> tape(sysdpo::recording::off);
  auto const y =
      sysdpo::log_softmax_gather(tape, tape.constant(logits), ids::from_host({2}, std::vector{1, 0})).value();
  REQUIRE(y.data()[0] == Approx(-std::log(2.0)));
  REQUIRE(y.data()[1] == -1e4F);
}

TEST_CASE("log_softmax_gather names a target beyond the vocabulary", "[op]") {
  test::tape tape;
  auto const logits = tape.constant(random_tensor({2, 3}, 1));
  REQUIRE_THROWS_WITH(
      sysdpo::log_softmax_gather(tape, logits, ids::from_host({2}, std::vector{0, 3})),
      Catch::Contains("position 1") && Catch::Contains("id 3") && Catch::Contains("vocabulary of 3"));
  REQUIRE_THROWS_WITH(sysdpo::log_softmax_gather(tape, logits, ids::from_host({1}, std::vector{0})),
                      Catch::Contains("[2, 3]"));
}

namespace {

using slot = sysdpo::gradient_slot<sysdpo::cpu, double>;

/// Logits [64, 4096] that are made, as a model makes them, from little.
struct head {
  static constexpr index_t rows = 64, vocabulary = 4096;
  static constexpr std::size_t logit_bytes = sizeof(double) * rows * vocabulary;

  test::tensor hidden = random_tensor({rows, 3}, 1);
  test::tensor weight = random_tensor({vocabulary, 3}, 2);
  ids targets = ids::from_host({rows}, std::vector<std::int32_t>(rows, 17));
  test::tensor upstream = random_tensor({rows}, 3);
  slot dhidden{}, dweight{};

  test::variable logits(test::tape& tape) {
    return sysdpo::linear(tape, tape.watch(hidden, dhidden), tape.watch(weight, dweight));
  }
};

/// The most memory that `body` holds above what was held before.
template <class Body>
std::size_t peak_of(Body&& body) {
  auto& pool = sysdpo::cpu::memory();
  auto const before = pool.bytes_in_use();
  pool.reset_peak();
  body();
  return pool.peak_bytes() - before;
}

}  // namespace

TEST_CASE("log_softmax_gather needs one array of the vocabulary's size, forward and backward", "[op]") {
  head made;
  auto const peak = peak_of([&] {
    test::tape tape;
    auto logits = made.logits(tape);
    auto const y =
        sysdpo::log_softmax_gather(tape, std::move(logits), made.targets, sysdpo::logits_memory::consume);
    tape.backward(y, made.upstream);
  });
  CHECK(peak >= head::logit_bytes);
  CHECK(peak < head::logit_bytes * 3 / 2);

  head kept;
  auto const peak_if_kept = peak_of([&] {
    test::tape tape;
    auto const logits = kept.logits(tape);
    tape.backward(sysdpo::log_softmax_gather(tape, logits, kept.targets), kept.upstream);
  });
  CHECK(peak_if_kept >= 2 * head::logit_bytes);  // the measurement sees a second one
  REQUIRE(made.dweight.value.to_host() == kept.dweight.value.to_host());
  REQUIRE(made.dhidden.value.to_host() == kept.dhidden.value.to_host());
}

TEST_CASE("log_softmax_gather reuses the memory of a leaf that was handed over", "[op]") {
  auto logits = random_tensor({4, 9}, 1, 3.0);
  auto const targets = ids::from_host({4}, std::vector<std::int32_t>{8, 0, 3, 3});
  auto const upstream = random_tensor({4}, 2);
  slot separate;
  test::tape tape;
  tape.backward(sysdpo::log_softmax_gather(tape, tape.watch(logits, separate), targets), upstream);
  auto const* const memory = logits.data();
  REQUIRE(separate.value.data() != memory);

  slot in_place;
  tape.backward(sysdpo::log_softmax_gather(tape, tape.watch(std::move(logits), in_place), targets,
                                           sysdpo::logits_memory::consume),
                upstream);
  REQUIRE(in_place.value.data() == memory);
  REQUIRE(in_place.value.to_host() == separate.value.to_host());
}

TEST_CASE("log_softmax_gather gives the right gradients where other ops use its logits too", "[op]") {
  auto const targets = ids::from_host({4}, std::vector<std::int32_t>{8, 0, 3, 3});
  auto const weight = random_tensor({1, 9}, 5);
  auto const gather_first = GENERATE(false, true);
  auto const other_keeps = GENERATE(false, true);  // silu keeps its input for backward, scale does not
  CAPTURE(gather_first, other_keeps);
  test::check_gradients(
      [&](auto& t, auto const& in) {
        auto logits = sysdpo::scale(t, in[0], 1.5);  // values that the tape alone holds
        auto const gather = [&](auto l) { return sysdpo::log_softmax_gather(t, std::move(l), targets); };
        auto const other = [&](auto const& l) {
          auto const used = other_keeps ? sysdpo::silu(t, l) : sysdpo::scale(t, l, 0.7);
          return sysdpo::linear(t, used, t.constant(weight)).reshaped({4});
        };
        if (gather_first) {
          auto const y = gather(logits);
          return sysdpo::add(t, y, other(std::exchange(logits, {})));
        }
        auto const y = other(logits);
        return sysdpo::add(t, y, gather(std::exchange(logits, {})));
      },
      {random_tensor({4, 9}, 1, 2.0)});
}

TEST_CASE("log_softmax_gather refuses to consume logits that are held elsewhere", "[op]") {
  using sysdpo::logits_memory;
  auto const message_of = [](auto&& body) -> std::string {
    try {
      body();
    } catch (sysdpo::error const& refusal) {
      return refusal.what();
    }
    return "nothing was refused";
  };
  std::string message;
  SECTION("by the caller") {
    head made;
    test::tape tape;
    auto const logits = made.logits(tape);
    auto const before = logits.value().to_host();
    auto const y = sysdpo::log_softmax_gather(tape, logits, made.targets, logits_memory::consume);
    message = message_of([&] { tape.backward(y, made.upstream); });
    REQUIRE(logits.value().to_host() == before);
  }
  SECTION("by another op, which needs them for its own backward pass") {
    head made;
    test::tape tape;
    auto logits = made.logits(tape);
    auto const other = sysdpo::silu(tape, logits);
    auto const y = sysdpo::log_softmax_gather(tape, std::move(logits), made.targets, logits_memory::consume);
    message = message_of([&] { tape.backward(y, made.upstream); });
  }
  SECTION("by a model, whose weight they are") {
    sysdpo::parameter<sysdpo::cpu, sysdpo::precision<double>> table{.name = "table",
                                                                    .value = random_tensor({64, 4096}, 1)};
    auto const before = table.value.to_host();
    head const made;
    test::tape tape;
    auto const y = sysdpo::log_softmax_gather(tape, tape.watch(table), made.targets, logits_memory::consume);
    message = message_of([&] { tape.backward(y, made.upstream); });
    REQUIRE(table.value.to_host() == before);
  }
  REQUIRE_THAT(message, Catch::Contains("[64, 4096]") && Catch::Contains("still holds their values") &&
                            Catch::Contains("Move them"));
}
