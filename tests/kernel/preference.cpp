#include "sysdpo/kernel/preference.hpp"

#include "support/emulation.hpp"
#include "sysdpo/loss/link.hpp"

using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("log-ratios become losses, and seeds that are their slopes", "[kernel]", sysdpo::logistic,
                   sysdpo::label_smoothed, sysdpo::robust, sysdpo::hinge, sysdpo::ipo) {
  TestType const link{};
  double const beta = 0.3;
  double const divisor = 17;
  for (std::size_t const slots : {1U, 3U})
    for (std::size_t const pairs : {0U, 1U, 7U, 33U, 129U})
      for (float const scale : {1.0F, 1e4F})
        for (auto const& how : test::all_orders) {
          auto ratios = test::random_memory<float>(static_cast<index_t>(slots * 2 * pairs), 1, scale);
          memory<double> const scales(static_cast<index_t>(slots)), rejected(static_cast<index_t>(slots));
          memory<double> const weights(static_cast<index_t>(pairs)), losses(static_cast<index_t>(pairs));
          memory<double> const scores(static_cast<index_t>(2 * pairs));
          memory<float> const seeds(static_cast<index_t>(slots * 2 * pairs));
          for (std::size_t k = 0; k < slots; ++k) {
            scales[k] = 1 - 0.5 * static_cast<double>(k % 2);
            rejected[k] = 1 - 0.25 * static_cast<double>(k);
          }
          for (std::size_t p = 0; p < pairs; ++p) weights[p] = 0.5 + static_cast<double>(p % 3);
          if (slots == 3) {  // a node that is left out has no ratios
            scales[1] = 0;
            for (std::size_t p = 0; p < 2 * pairs; ++p) ratios[2 * pairs + p] = std::nanf("");
          }
          test::run<sysdpo::kernel::preference<TestType>>(
              {ratios.data(), scales.data(), rejected.data(), weights.data(), static_cast<int>(slots),
               static_cast<index_t>(pairs), link, beta, divisor, scores.data(), losses.data(), seeds.data()},
              how);
          for (std::size_t p = 0; p < pairs; ++p) {
            double a[2] = {0, 0};
            for (std::size_t k = 0; k < slots; ++k)
              for (std::size_t side = 0; side < 2; ++side)
                if (scales[k] != 0) a[side] += scales[k] * ratios.at((2 * k + side) * pairs + p);
            auto const h = a[0] - a[1];
            REQUIRE(test::close(scores[p], a[0], 1e-12));
            REQUIRE(test::close(scores[pairs + p], a[1], 1e-12));
            REQUIRE(test::close(losses[p], weights[p] * link.value(h, beta), 1e-12));
            REQUIRE(std::isfinite(losses[p]));
            for (std::size_t k = 0; k < slots; ++k) {
              auto const seed = scales[k] * weights[p] * link.slope(h, beta) / divisor;
              REQUIRE(test::close(seeds.at(2 * k * pairs + p), seed, 1e-7));
              REQUIRE(test::close(seeds.at((2 * k + 1) * pairs + p), -seed * rejected[k], 1e-7));
            }
          }
        }
}
