#include "sysdpo/kernel/head_log_prob.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::emulation;
using test::half;
using test::index_t;
using test::memory;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

/// Rows of logits in chunks of at most `step` words.
template <class From, class To, int Threads>
struct problem {
  index_t rows;
  int vocabulary;
  int step;
  memory<From> logits;  ///< [rows, vocabulary]
  memory<std::int32_t> targets;
  index_t shift;

  problem(index_t n, int v, int words, float scale, index_t shifted = 0)
      : rows(n),
        vocabulary(v),
        step(words),
        logits(test::random_memory<From>(n * v, 1, scale)),
        targets(n),
        shift(shifted) {
    for (std::size_t i = 0; i < targets.size(); ++i)
      targets[i] = static_cast<int>((i * 7919 + 5) % static_cast<std::size_t>(v));
  }

  [[nodiscard]] From const* row(std::size_t n) const {
    return logits.data() + n * static_cast<std::size_t>(vocabulary);
  }

  [[nodiscard]] memory<From> chunk(int first, int count) const {
    memory<From> made(rows * count, shift);
    for (std::size_t n = 0; n < static_cast<std::size_t>(rows); ++n)
      std::copy_n(row(n) + first, count, made.data() + n * static_cast<std::size_t>(count));
    return made;
  }

  void forward(memory<float> const& log_probs, memory<float> const& log_sums, emulation const& how) const {
    memory<float> const highest(rows), sums(rows), target_logits(rows);
    for (int first = 0; first < vocabulary; first += step) {
      int const count = std::min(step, vocabulary - first);
      auto const part = chunk(first, count);
      test::run<sysdpo::kernel::head_log_prob_chunk<From, Threads>>(
          {part.data(), targets.data(), rows, first, count, highest.data(), sums.data(),
           target_logits.data()},
          how);
    }
    test::run<sysdpo::kernel::head_log_prob_end>(
        {highest.data(), sums.data(), target_logits.data(), rows, log_probs.data(), log_sums.data()}, how);
  }

  /// Whether forward and backward agree with the definition.
  [[nodiscard]] bool passes(emulation const& how) const {
    memory<float> const log_probs(rows), log_sums(rows), dy(rows);
    forward(log_probs, log_sums, how);
    for (std::size_t i = 0; i < dy.size(); ++i) dy[i] = static_cast<float>(i % 3) - 0.5F;
    std::vector<double> expected_sums;
    for (std::size_t n = 0; n < dy.size(); ++n) {
      auto const logit = [&](int i) { return static_cast<double>(float(row(n)[i])); };
      double top = logit(0);
      for (int i = 1; i < vocabulary; ++i) top = std::max(top, logit(i));
      double sum = 0;
      for (int i = 0; i < vocabulary; ++i) sum += std::exp(logit(i) - top);
      expected_sums.push_back(top + std::log(sum));
      if (!test::close(log_sums.at(n), expected_sums[n], 1e-6) ||
          !test::close(log_probs.at(n), logit(targets[n]) - expected_sums[n], 1e-5))
        return false;
    }
    for (int first = 0; first < vocabulary; first += step) {
      int const count = std::min(step, vocabulary - first);
      auto const part = chunk(first, count);
      memory<To> const made(rows * count, shift);
      auto* slopes = made.data();
      if constexpr (std::is_same_v<From, To>) slopes = part.data();  // in place
      test::run<sysdpo::kernel::head_log_prob_backward_chunk<From, To, Threads>>(
          {part.data(), targets.data(), log_sums.data(), dy.data(), rows, first, count, slopes}, how);
      for (std::size_t n = 0; n < dy.size(); ++n) {
        // p is off by as much as the sum of logits, which is a float, is.
        double const tolerance = 2 * test::rounding<To> + 2e-6 + 2e-7 * std::abs(expected_sums[n]);
        for (int i = 0; i < count; ++i) {
          auto const p = std::exp(static_cast<double>(float(row(n)[first + i])) - expected_sums[n]);
          auto const slope = static_cast<double>(dy[n]) * ((first + i == targets[n] ? 1 : 0) - p);
          auto const got = static_cast<double>(
              float(slopes[n * static_cast<std::size_t>(count) + static_cast<std::size_t>(i)]));
          if (!test::close(got, slope, tolerance)) return false;
        }
      }
    }
    return true;
  }
};

/// Logits and slopes of a type each.
template <class From, class To>
struct formats {
  using from = From;
  using to = To;
};

}  // namespace

TEMPLATE_TEST_CASE("log-probabilities from chunks of words agree with their definition", "[kernel]",
                   (formats<float, float>), (formats<float, bf16>), (formats<float, half>),
                   (formats<bf16, bf16>), (formats<half, half>), (formats<bf16, float>)) {
  using from = typename TestType::from;
  using to = typename TestType::to;
  for (auto const& [vocabulary, step] :
       {std::pair{1, 1}, {7, 7}, {7, 3}, {33, 1}, {129, 64}, {1000, 400}, {1000, 2000}})
    for (float const scale : {1.0F, 30.0F, 1e4F})
      for (auto const& how : test::all_orders) {
        INFO(vocabulary << " words, " << step << " at a time, scale " << scale);
        REQUIRE(problem<from, to, 64>(3, vocabulary, step, scale).passes(how));
      }
  REQUIRE(problem<from, to, 512>(0, 5, 2, 1).passes({}));
  REQUIRE(problem<from, to, 32>(7, 129, 50, 2, 1).passes({}));
  REQUIRE(problem<from, to, 1024>(1, 5000, 2048, 2, 1).passes({}));
}

TEST_CASE("chunks of minus infinity and rows that are certain pass", "[kernel]") {
  for (auto const& how : test::all_orders) {
    problem<float, bf16, 64> given(4, 150, 30, 1);
    for (std::size_t i = 0; i < 60; ++i) given.logits[i] = -infinity;  // the first two chunks
    given.targets[0] = 77;
    for (std::size_t i = 60; i < 120; ++i) given.logits[150 + i] = -infinity;
    for (std::size_t i = 0; i < 150; ++i) given.logits[300 + i] = -infinity;
    given.logits[300 + 99] = -1e4F;  // certain
    given.targets[2] = 99;
    for (std::size_t i = 0; i < 150; ++i) given.logits[450 + i] = i % 40 == 7 ? 1e4F : -1e4F;
    REQUIRE(given.passes(how));
  }
}

TEST_CASE("a target that no chunk has, or a logit that is NaN, makes its row NaN, and no other", "[kernel]") {
  problem<float, float, 64> given(5, 100, 30, 1);
  given.targets[0] = -1;
  given.targets[1] = 100;
  given.targets[2] = std::numeric_limits<std::int32_t>::min();
  given.logits[3 * 100 + GENERATE(0U, 45U, 99U)] = std::nanf("");
  memory<float> const log_probs(5), log_sums(5);
  given.forward(log_probs, log_sums, {});
  for (std::size_t n = 0; n < 5; ++n) {
    REQUIRE(std::isnan(log_probs[n]) == (n < 4));
    REQUIRE(std::isnan(log_sums[n]) == (n == 3));
  }
}

TEST_CASE("rows without upstream give zeros, whatever their logits are", "[kernel]") {
  memory<float> const logits(std::vector<float>{std::nanf(""), infinity, 1, -infinity});
  memory<std::int32_t> const targets(std::vector<std::int32_t>{0});
  memory<float> const log_sums(std::vector<float>{std::nanf("")}), dy(std::vector<float>{0});
  memory<bf16> const slopes(4);
  test::run<sysdpo::kernel::head_log_prob_backward_chunk<float, bf16>>(
      {logits.data(), targets.data(), log_sums.data(), dy.data(), 1, 0, 4, slopes.data()});
  for (std::size_t i = 0; i < 4; ++i) REQUIRE(slopes.at(i) == 0);
}

TEST_CASE("each barrier of the chunks is needed", "[kernel]") {
  problem<float, bf16, 128> const given(2, 900, 400, 2);
  test::check_barriers([&](emulation const& how) { return given.passes(how); });
}
