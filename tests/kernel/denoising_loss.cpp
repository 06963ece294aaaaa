#include "sysdpo/kernel/denoising_loss.hpp"

#include "support/emulation.hpp"

using sysdpo::draw_key;
using sysdpo::philox_stream;
using test::bf16;
using test::emulation;
using test::half;
using test::index_t;
using test::memory;

namespace {

constexpr index_t rows = 3;

/// The reference is near the prediction, as it is in training.
template <class T>
struct problem {
  int size, parts;
  memory<T> p, reference, target;
  memory<philox_stream> streams;
  memory<float> weight{std::vector<float>{0.5F, 1000, 3}};
  memory<float> dy{std::vector<float>{1, -0.25F, 2}};
  std::vector<double> goal{};  // of the streams

  problem(int count, int blocks, index_t shift = 0)
      : size(count),
        parts(blocks),
        p(test::random_memory<T>(rows * count, 1, 1, shift)),
        reference(test::random_memory<T>(rows * count, 2, 1, shift)),
        target(test::random_memory<T>(rows * count, 3, 1, shift)),
        streams(rows) {
    for (std::size_t i = 0; i < p.size(); ++i)
      reference[i] = T(static_cast<float>(p[i]) + 0.01F * static_cast<float>(reference[i]));
    for (std::uint32_t row = 0; row < rows; ++row) {
      draw_key const key{.seed = 5, .pair = row};
      std::vector<float> noise(static_cast<std::size_t>(size));
      sysdpo::fill_normal(noise, key);
      goal.insert(goal.end(), noise.begin(), noise.end());
      streams[row] = philox_stream(key);
    }
  }

  [[nodiscard]] bool passes(bool mean, bool from_streams, emulation const& how) const {
    memory<double> sums(rows * parts * 2);
    memory<float> log_ratios(rows), losses(rows);
    auto const* const goals = from_streams ? nullptr : target.data();
    test::run<sysdpo::kernel::denoising_loss<T>>(
        {p.data(), reference.data(), goals, streams.data(), rows, size, parts, sums.data()}, how);
    test::run<sysdpo::kernel::denoising_loss_end>(
        {sums.data(), weight.data(), rows, size, parts, mean, log_ratios.data(), losses.data()}, how);
    auto gradient = test::random_memory<T>(rows * size, 8);
    auto const before = gradient;
    bool const accumulate = mean;
    test::run<sysdpo::kernel::denoising_loss_backward<T>>(
        {p.data(), goals, streams.data(), weight.data(), dy.data(), rows, size, parts, mean, 1,
         gradient.data(), accumulate},
        how);
    double const divisor = mean && size > 0 ? size : 1;
    for (std::size_t r = 0; r < 3; ++r) {
      double ratio = 0;
      double loss = 0;
      for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i) {
        auto const at = r * static_cast<std::size_t>(size) + i;
        auto const t = from_streams ? goal[at] : target.at(at);
        auto const ours = t - p.at(at);
        auto const theirs = t - reference.at(at);
        loss += ours * ours;
        ratio += theirs * theirs - ours * ours;
        auto const slope = 2 * weight.at(r) * dy.at(r) * ours / divisor + (accumulate ? before.at(at) : 0);
        if (!test::close(gradient.at(at), slope, 4 * test::rounding<T>)) return false;
      }
      // Single products are rounded, nothing larger is: what the two models have in common costs nothing.
      auto const factor = weight.at(r) / divisor;
      if (!test::close(losses.at(r), factor * loss, 1e-6) ||
          !(std::abs(log_ratios.at(r) - factor * ratio) <=
            3e-7 * factor * (0.01 * loss + std::abs(ratio)) + 1e-9))
        return false;
    }
    return true;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("denoising losses, log-ratios and gradients agree with their definition", "[kernel]",
                   float, bf16, half) {
  for (int const size : {0, 1, 7, 33, 129, 3072})
    for (int const parts : {1, 4})
      for (bool const mean : {false, true})
        for (bool const from_streams : {false, true})
          for (auto const& how : test::all_orders) {
            INFO(size << " elements in " << parts << " parts");
            REQUIRE(problem<TestType>(size, parts).passes(mean, from_streams, how));
          }
  REQUIRE(problem<TestType>(130, 2, 1).passes(false, false, {}));  // rows that begin anywhere
}

TEST_CASE("a loss needs no reference, and its gradient has the other sign", "[kernel]") {
  problem<float> const given(50, 2);
  memory<double> sums(rows * 2 * 2);
  memory<float> log_ratios(rows), losses(rows), dp(rows * 50);
  test::run<sysdpo::kernel::denoising_loss<float>>(
      {given.p.data(), nullptr, given.target.data(), nullptr, rows, 50, 2, sums.data()});
  test::run<sysdpo::kernel::denoising_loss_end>(
      {sums.data(), given.weight.data(), rows, 50, 2, false, log_ratios.data(), losses.data()});
  test::run<sysdpo::kernel::denoising_loss_backward<float>>({given.p.data(), given.target.data(), nullptr,
                                                             given.weight.data(), given.dy.data(), rows, 50,
                                                             2, false, -1, dp.data(), false});
  for (std::size_t r = 0; r < 3; ++r) {
    double loss = 0;
    for (std::size_t i = r * 50; i < r * 50 + 50; ++i) {
      auto const error = given.target.at(i) - given.p.at(i);
      loss += error * error;
      REQUIRE(test::close(dp.at(i), -2 * given.weight.at(r) * given.dy.at(r) * error, 1e-6));
    }
    REQUIRE(log_ratios[r] == 0);
    REQUIRE(test::close(losses.at(r), given.weight.at(r) * loss, 1e-6));
  }
}

TEST_CASE("each barrier of the denoising loss is needed", "[kernel]") {
  problem<bf16> const given(700, 2);
  test::check_barriers([&](emulation const& how) { return given.passes(false, false, how); });
}
