#include "sysdpo/kernel/log_softmax_gather.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::emulation;
using test::half;
using test::index_t;
using test::memory;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

/// One row from the definition, in double.
struct expectation {
  double log_prob, log_sum, entropy;
  int top;
  std::vector<double> probabilities;
};

template <class T>
expectation naive(T const* row, int size, int target) {
  expectation result{0, 0, 0, 0, std::vector<double>(static_cast<std::size_t>(size))};
  for (int i = 1; i < size; ++i)
    if (float(row[i]) > float(row[result.top])) result.top = i;
  auto const highest = static_cast<double>(float(row[result.top]));
  double sum = 0;
  for (int i = 0; i < size; ++i) sum += std::exp(static_cast<double>(float(row[i])) - highest);
  result.log_sum = highest + std::log(sum);
  result.log_prob = static_cast<double>(float(row[target])) - result.log_sum;
  for (int i = 0; i < size; ++i) {
    auto const log_p = static_cast<double>(float(row[i])) - result.log_sum;
    auto const p = std::exp(log_p);
    result.probabilities[static_cast<std::size_t>(i)] = p;
    if (p > 0) result.entropy -= p * log_p;
  }
  return result;
}

template <class T, int Threads>
struct problem {
  index_t rows;
  int vocabulary;
  memory<T> logits;
  memory<std::int32_t> targets;

  problem(index_t n, int v, float scale, index_t shift = 0)
      : rows(n), vocabulary(v), logits(test::random_memory<T>(n * v, 1, scale, shift)), targets(n) {
    for (std::size_t i = 0; i < targets.size(); ++i)
      targets[i] = static_cast<int>((i * 7919 + 5) % static_cast<std::size_t>(v));
  }

  /// Whether forward and backward agree with the definition. Backward overwrites the logits.
  [[nodiscard]] bool passes(emulation const& how) const {
    memory<float> log_probs(rows), log_sums(rows), entropies(rows), dy(rows);
    memory<std::int32_t> tops(rows);
    test::run<sysdpo::kernel::log_softmax_gather<T, Threads>>(
        {logits.data(), targets.data(), rows, vocabulary, log_probs.data(), log_sums.data(), entropies.data(),
         tops.data()},
        how);
    // What is not asked for changes nothing.
    memory<float> same_log_probs(rows), same_log_sums(rows);
    test::run<sysdpo::kernel::log_softmax_gather<T, Threads, false>>(
        {logits.data(), targets.data(), rows, vocabulary, same_log_probs.data(), same_log_sums.data(),
         nullptr, nullptr},
        how);
    if (!(same_log_probs == log_probs) || !(same_log_sums == log_sums)) return false;
    for (std::size_t i = 0; i < dy.size(); ++i) dy[i] = static_cast<float>(i % 3) - 0.5F;
    memory<T> gradient(logits);
    test::run<sysdpo::kernel::log_softmax_gather_backward<T, Threads>>(
        {gradient.data(), targets.data(), log_sums.data(), dy.data(), nullptr, 0, rows, vocabulary, 3,
         gradient.data(), false},
        how);
    for (std::size_t n = 0; n < log_probs.size(); ++n) {
      auto const* const row = logits.data() + n * static_cast<std::size_t>(vocabulary);
      auto const expected = naive(row, vocabulary, targets[n]);
      if (!test::close(log_probs.at(n), expected.log_prob, 1e-5) ||
          !test::close(log_sums.at(n), expected.log_sum, 1e-6) ||
          !test::close(entropies.at(n), expected.entropy, 1e-5) || tops[n] != expected.top)
        return false;
      // p is off by as much as the sum of logits, which is a float, is.
      double const tolerance = 2 * test::rounding<T> + 2e-6 + 2e-7 * std::abs(expected.log_sum);
      for (int i = 0; i < vocabulary; ++i) {
        auto const p = expected.probabilities[static_cast<std::size_t>(i)];
        auto const slope = static_cast<double>(dy[n]) * ((i == targets[n] ? 1 : 0) - p);
        if (!test::close(gradient.at(n * static_cast<std::size_t>(vocabulary) + static_cast<std::size_t>(i)),
                         slope, tolerance))
          return false;
      }
    }
    return true;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("log-probabilities, entropies and gradients agree with their definition", "[kernel]",
                   float, bf16, half) {
  for (int const vocabulary : {1, 7, 33, 129, 1000})
    for (float const scale : {1.0F, 30.0F, 1e4F})
      for (auto const& how : test::all_orders) {
        INFO(vocabulary << " tokens, scale " << scale);
        REQUIRE(problem<TestType, 64>(3, vocabulary, scale).passes(how));
      }
  REQUIRE(problem<TestType, 32>(7, 33, 2).passes({}));
  REQUIRE(problem<TestType, 1024>(1, 5000, 2).passes({}));
  REQUIRE(problem<TestType, 512>(0, 5, 2).passes({}));
  REQUIRE(problem<TestType, 64>(3, 130, 2, 1).passes({}));  // rows that begin anywhere
}

TEMPLATE_TEST_CASE("the largest vocabularies pass", "[kernel]", float, bf16) {
  REQUIRE(problem<TestType, 512>(2, 262144, 3).passes({}));
  REQUIRE(problem<TestType, 512>(1, 151936 - 3, 3, 5).passes({.order = test::thread_order::seeded}));
}

TEMPLATE_TEST_CASE("logits of minus infinity have probability 0, and the first of equals is the top",
                   "[kernel]", float, bf16, half) {
  for (auto const& how : test::all_orders) {
    problem<TestType, 64> given(5, 150, 1);
    for (std::size_t i = 0; i < given.logits.size(); ++i)
      if (i % 150 % 2 == i / 150 % 2) given.logits[i] = TestType(-infinity);
    for (std::size_t i = 0; i < 150; ++i) given.logits[2 * 150 + i] = TestType(-infinity);
    given.logits[2 * 150 + 99] = TestType(-1e4F);  // certain
    given.targets[2] = 99;
    for (std::size_t i = 0; i < 150; ++i) given.logits[3 * 150 + i] = TestType(i % 10 == 7 ? 1e4F : -1e4F);
    REQUIRE(given.passes(how));
  }
}

TEST_CASE("a logit that is NaN makes its row NaN, and no other", "[kernel]") {
  problem<float, 64> given(2, 300, 1);
  auto const bad = GENERATE(0U, 77U, 299U);
  given.logits[bad] = std::nanf("");
  memory<float> log_probs(2), log_sums(2);
  test::run<sysdpo::kernel::log_softmax_gather<float, 64>>({given.logits.data(), given.targets.data(), 2, 300,
                                                            log_probs.data(), log_sums.data(), nullptr,
                                                            nullptr});
  REQUIRE(std::isnan(log_sums[0]));
  REQUIRE(std::isnan(log_probs[0]));
  REQUIRE(std::isfinite(log_sums[1]));
}

TEST_CASE("a target outside the vocabulary gives NaN, and no slope but the softmax's", "[kernel]") {
  problem<float, 64> given(4, 300, 1);
  given.targets[0] = -1;
  given.targets[1] = 300;
  given.targets[2] = std::numeric_limits<std::int32_t>::min();
  memory<float> log_probs(4), log_sums(4);
  test::run<sysdpo::kernel::log_softmax_gather<float, 64>>({given.logits.data(), given.targets.data(), 4, 300,
                                                            log_probs.data(), log_sums.data(), nullptr,
                                                            nullptr});
  memory<float> const dy(std::vector<float>{1, 1, 1, 1});
  memory<float> slopes(1200);
  test::run<sysdpo::kernel::log_softmax_gather_backward<float, 64>>(
      {given.logits.data(), given.targets.data(), log_sums.data(), dy.data(), nullptr, 0, 4, 300, 1,
       slopes.data(), false});
  for (std::size_t n = 0; n < 4; ++n) {
    REQUIRE(std::isnan(log_probs[n]) == (n < 3));
    REQUIRE(std::isfinite(log_sums[n]));
    double sum = 0;
    for (std::size_t i = 0; i < 300; ++i) sum += slopes.at(n * 300 + i);
    REQUIRE(sum == Approx(n < 3 ? -1 : 0).margin(1e-5));
  }
}

TEST_CASE("each barrier of the log-probabilities is needed", "[kernel]") {
  problem<bf16, 128> const given(2, 300, 2);
  test::check_barriers([&](emulation const& how) { return given.passes(how); });
}

TEST_CASE("gradients of sequences reach their rows, and may be added", "[kernel]") {
  index_t const rows = 9;
  int const vocabulary = 21;
  problem<float, 32> const given(rows, vocabulary, 1);
  memory<float> log_probs(rows), log_sums(rows);
  test::run<sysdpo::kernel::log_softmax_gather<float, 32>>({given.logits.data(), given.targets.data(), rows,
                                                            vocabulary, log_probs.data(), log_sums.data(),
                                                            nullptr, nullptr});
  memory<std::int32_t> const offsets(std::vector<std::int32_t>{0, 0, 1, 5, 5, 5, 9, 9});
  memory<float> const dy(std::vector<float>{100, 2, -3, 100, 100, 0, 100});
  for (bool const accumulate : {false, true}) {
    auto gradient = test::random_memory<float>(rows * vocabulary, 5);
    auto const before = gradient;
    test::run<sysdpo::kernel::log_softmax_gather_backward<float, 32>>(
        {given.logits.data(), given.targets.data(), log_sums.data(), dy.data(), offsets.data(), 7, rows,
         vocabulary, 1, gradient.data(), accumulate});
    for (std::size_t n = 0; n < 9; ++n) {
      auto const expected = naive(given.logits.data() + n * 21, vocabulary, given.targets[n]);
      double const upstream = n < 1 ? 2 : n < 5 ? -3 : 0;
      for (std::size_t i = 0; i < 21; ++i)
        REQUIRE(test::close(
            gradient.at(n * 21 + i),
            upstream * ((static_cast<int>(i) == given.targets[n] ? 1 : 0) - expected.probabilities[i]) +
                (accumulate ? before.at(n * 21 + i) : 0),
            2e-6));
    }
  }
}

TEST_CASE("sequences are summed, empty ones to 0", "[kernel]") {
  auto const values = test::random_memory<float>(700, 3);
  memory<std::int32_t> const offsets(std::vector<std::int32_t>{0, 0, 1, 8, 141, 700, 700});
  test::check_barriers([&](emulation const& how) {
    memory<float> sums(6);
    test::run<sysdpo::kernel::sequence_sum>({values.data(), offsets.data(), 6, sums.data()}, how);
    for (std::size_t s = 0; s < 6; ++s) {
      double expected = 0;
      for (auto i = offsets[s]; i < offsets[s + 1]; ++i) expected += values.at(static_cast<std::size_t>(i));
      if (!test::close(sums.at(s), expected, 1e-7)) return false;
    }
    return true;
  });
}
