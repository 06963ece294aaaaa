#include "sysdpo/backend/cpu/normal_distribution.hpp"

#include <cmath>

#include "support/catch.hpp"

TEST_CASE("the normal distribution function is right to a few of the last digits", "[backend]") {
  constexpr int count = 100'003;  // not a multiple of what a register holds
  auto const check = [](auto number, double tolerance) {
    using T = decltype(number);
    using array = Eigen::Array<T, Eigen::Dynamic, 1>;
    array const x = array::LinSpaced(count, T(-9), T(9));
    array const y = x.unaryExpr(sysdpo::cpu_detail::normal_distribution<T>{});
    double error = 0;
    for (int i = 0; i < count; ++i)
      error = std::max(error, std::abs(static_cast<double>(y[i]) -
                                       0.5 * std::erfc(-static_cast<double>(x[i]) / std::sqrt(2.0))));
    REQUIRE(error < tolerance);
  };
  check(0.0F, 2.5e-7);
  check(0.0, 1e-15);
}
