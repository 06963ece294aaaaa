#include "sysdpo/kernel/map.hpp"

#include "support/emulation.hpp"

namespace function = sysdpo::kernel::function;
using sysdpo::kernel::map;
using test::bf16;
using test::half;
using test::index_t;
using test::memory;

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// Runs a function of two arrays over sizes, alignments and orders, alone and in place, and compares it.
template <class To, class A, class B, class Function, class Expected>
void check(Function const& f, Expected const& expected) {
  double const unit = 2 * test::rounding<To> + 1e-6;
  for (int const size : {0, 1, 7, 33, 129, 2100})
    for (auto const& [shift, accumulate] : {std::pair{0, false}, {0, true}, {1, true}})
      for (auto const& how : test::all_orders) {
        auto a = test::random_memory<A>(size, 1, 3, shift);
        auto const b = test::random_memory<B>(size, 2);
        if (size > 10) {
          a[3] = sysdpo::kernel::from_float<A>(-1e4F);
          a[4] = sysdpo::kernel::from_float<A>(1e4F);
        }
        auto const before = test::random_memory<To>(size, 3, 1, shift);
        auto const y = before;
        test::run<map<Function, To, A, B>>({f, {a.data(), b.data()}, size, y.data(), accumulate}, how);
        for (std::size_t i = 0; i < y.size(); ++i)
          REQUIRE(test::close(y.at(i), (accumulate ? before.at(i) : 0) + expected(a.at(i), b.at(i)), unit));
        if constexpr (std::is_same_v<To, A>) {
          auto const there = a;
          test::run<map<Function, To, A, B>>({f, {there.data(), b.data()}, size, there.data(), accumulate},
                                             how);
          for (std::size_t i = 0; i < y.size(); ++i)
            REQUIRE(test::close(there.at(i), (accumulate ? a.at(i) : 0) + expected(a.at(i), b.at(i)), unit));
        }
      }
}

/// Likewise for a function of one array.
template <class To, class From, class Function, class Expected>
void check(Function const& f, Expected const& expected) {
  double const unit = 2 * test::rounding<To> + 1e-6;
  for (int const size : {0, 1, 7, 33, 129, 2100})
    for (auto const& [shift, accumulate] : {std::pair{0, false}, {0, true}, {1, true}})
      for (auto const& how : test::all_orders) {
        auto const x = test::random_memory<From>(size, 1, 3, shift);
        auto const before = test::random_memory<To>(size, 2);
        auto const y = before;
        test::run<map<Function, To, From>>({f, {x.data()}, size, y.data(), accumulate}, how);
        for (std::size_t i = 0; i < y.size(); ++i)
          REQUIRE(test::close(y.at(i), (accumulate ? before.at(i) : 0) + expected(x.at(i)), unit));
      }
}

}  // namespace

TEMPLATE_TEST_CASE("functions of one array agree with their definition", "[kernel]", float, bf16, half) {
  check<TestType, TestType>(function::copy{}, [](double x) { return x; });
  check<TestType, TestType>(function::scale{-0.75F}, [](double x) { return -0.75 * x; });
  check<TestType, TestType>(function::silu{}, [](double x) { return x * sigmoid(x); });
}

TEMPLATE_TEST_CASE("functions of two arrays agree with their definition", "[kernel]", float, bf16, half) {
  check<TestType, TestType, TestType>(function::add{}, [](double a, double b) { return a + b; });
  check<TestType, TestType, TestType>(function::subtract{}, [](double a, double b) { return a - b; });
  check<TestType, TestType, TestType>(function::silu_backward{}, [](double x, double dy) {
    return dy * sigmoid(x) * (1 + x * (1 - sigmoid(x)));
  });
}

TEST_CASE("arrays of different types meet", "[kernel]") {
  auto const same = [](double x) { return x; };
  check<bf16, float>(function::copy{}, same);
  check<half, float>(function::copy{}, same);
  check<float, bf16>(function::copy{}, same);
  check<float, half>(function::copy{}, same);
  check<half, bf16>(function::copy{}, same);
  check<bf16, half>(function::copy{}, same);
  check<float, float, bf16>(function::add{}, [](double a, double b) { return a + b; });
  check<half, bf16, float>(function::subtract{}, [](double a, double b) { return a - b; });
}

TEST_CASE("a copy rounds to nearest, ties to even, and keeps what is no number", "[kernel]") {
  auto const infinity = std::numeric_limits<float>::infinity();
  memory<float> const x(
      std::vector<float>{1 + 0x1p-8F, 1 + 0x3p-8F, 3e38F, 70000, -infinity, std::nanf(""), -0.0F});
  memory<bf16> const y(7);
  memory<half> const z(7);
  test::run<map<function::copy, bf16, float>>({{}, {x.data()}, 7, y.data(), false});
  test::run<map<function::copy, half, float>>({{}, {x.data()}, 7, z.data(), false});
  for (std::size_t i = 0; i < 7; ++i) {
    REQUIRE(test::close(y.at(i), static_cast<double>(float(bf16(x[i]))), 0));
    REQUIRE(test::close(z.at(i), static_cast<double>(float(half(x[i]))), 0));
  }
}

TEMPLATE_TEST_CASE("a moving average follows, and stays where it has arrived", "[kernel]", float, bf16,
                   half) {
  check<TestType, TestType, TestType>(function::moving_average{1 - 0.9375F},
                                      [](double average, double x) { return 0.9375 * average + 0.0625 * x; });
  auto const x = test::random_memory<TestType>(100, 1);
  auto const average = x;
  for (int i = 0; i < 3; ++i)
    test::run<map<function::moving_average, TestType, TestType, TestType>>(
        {{1e-4F}, {average.data(), x.data()}, 100, average.data(), false});
  REQUIRE(average == x);
}
