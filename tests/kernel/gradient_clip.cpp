#include "sysdpo/kernel/gradient_clip.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::emulation;
using test::half;
using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("the norm of gradients, and the scale that bounds it", "[kernel]", float, bf16, half) {
  auto const first = test::random_memory<TestType>(2500, 1);
  auto const second = test::random_memory<TestType>(33, 2, 1, 1);
  memory<TestType> const none(0);
  double sum = 0;
  for (auto const* const x : {&first, &second})
    for (std::size_t i = 0; i < x->size(); ++i) sum += x->at(i) * x->at(i);
  test::check_barriers([&](emulation const& how) {
    memory<double> sums(7);
    test::run<sysdpo::kernel::squared_norm<TestType>>({first.data(), 2500, 3, sums.data()}, how);
    test::run<sysdpo::kernel::squared_norm<TestType>>({second.data(), 33, 2, sums.data() + 3}, how);
    test::run<sysdpo::kernel::squared_norm<TestType>>({none.data(), 0, 2, sums.data() + 5}, how);
    bool good = true;
    for (double const bound : {1.0, 1e6}) {
      memory<float> norm(1), scale(1);
      test::run<sysdpo::kernel::gradient_scale>(
          {sums.data(), 7, static_cast<float>(bound), norm.data(), scale.data()}, how);
      good = good && test::close(norm.at(0), std::sqrt(sum), 1e-6) &&
             test::close(scale.at(0), std::min(1.0, bound / std::sqrt(sum)), 1e-6);
    }
    return good;
  });
}

TEST_CASE("a gradient that is no number makes the scale none", "[kernel]") {
  memory<double> const sums(std::vector<double>{1, std::nan(""), 2});
  memory<float> norm(1), scale(1);
  test::run<sysdpo::kernel::gradient_scale>({sums.data(), 3, 1.0F, norm.data(), scale.data()});
  REQUIRE(std::isnan(norm[0]));
  REQUIRE(std::isnan(scale[0]));
}
