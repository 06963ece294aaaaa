#include "sysdpo/kernel/geglu.hpp"

#include <cmath>
#include <type_traits>

#include "support/emulation.hpp"

using test::bf16;
using test::emulation;
using test::half;
using test::index_t;
using test::memory;

namespace {

/// Rows of random values and gates, at addresses shifted by so many elements; some gates extreme.
template <class T>
void check(index_t rows, int width, bool accumulate, emulation const& how, index_t shift = 0) {
  auto const x = test::random_memory<T>(rows * 2 * width, 1, 2, shift);
  auto const dy = test::random_memory<T>(rows * width, 2, 1, shift);
  auto const w = static_cast<std::size_t>(width);
  float const extreme = std::is_same_v<T, half> ? 3e3F : 1e4F;  // times a value, half holds it
  for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r)
    for (std::size_t i = 0; i < w; i += 5) x[(2 * r + 1) * w + i] = T(i % 2 == 0 ? extreme : -extreme);
  memory<T> y(rows * width, shift);
  auto dx = test::random_memory<T>(rows * 2 * width, 3, 1, shift);
  auto const before = dx;
  test::run<sysdpo::kernel::geglu<T>>({x.data(), rows, width, y.data()}, how);
  test::run<sysdpo::kernel::geglu_backward<T>>({x.data(), dy.data(), rows, width, dx.data(), accumulate},
                                               how);
  double const unit = 2 * test::rounding<T> + 1e-6;
  for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r)
    for (std::size_t i = 0; i < w; ++i) {
      auto const value = x.at(2 * r * w + i);
      auto const gate = x.at((2 * r + 1) * w + i);
      auto const phi = 0.5 * std::erfc(-gate / std::sqrt(2.0));
      auto const density = std::exp(-gate * gate / 2) / std::sqrt(2 * std::acos(-1.0));
      auto const upstream = dy.at(r * w + i);
      auto const old = [&](std::size_t at) { return accumulate ? before.at(at) : 0; };
      REQUIRE(test::close(y.at(r * w + i), value * gate * phi, unit));
      REQUIRE(test::close(dx.at(2 * r * w + i), old(2 * r * w + i) + upstream * gate * phi, 2 * unit));
      REQUIRE(test::close(dx.at((2 * r + 1) * w + i),
                          old((2 * r + 1) * w + i) + upstream * value * (phi + gate * density), 2 * unit));
    }
}

}  // namespace

TEMPLATE_TEST_CASE("GEGLU and its gradient agree with their definition", "[kernel]", float, bf16, half) {
  for (int const width : {1, 7, 16, 33, 129, 640})
    for (bool const accumulate : {false, true})
      for (auto const& how : test::all_orders) check<TestType>(3, width, accumulate, how);
  check<TestType>(2, 40, true, {}, 1);  // rows that begin anywhere
  check<TestType>(0, 8, false, {});
}
