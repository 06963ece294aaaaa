#include "sysdpo/kernel/column_sums.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::emulation;
using test::half;
using test::index_t;
using test::memory;

namespace {

template <class T>
struct problem {
  index_t groups, rows;
  int width, parts;
  bool accumulate;
  index_t shift = 0;

  /// Whether both kernels together agree with the definition.
  [[nodiscard]] bool passes(emulation const& how) const {
    auto const x = test::random_memory<T>(groups * rows * width, 1, 1, shift);
    auto const before = test::random_memory<T>(groups * width, 2);
    memory<float> const sums(groups * parts * width);
    memory<T> const y(before);
    test::run<sysdpo::kernel::column_sums_parts<T>>({x.data(), groups, rows, width, parts, sums.data()}, how);
    test::run<sysdpo::kernel::column_sums_end<T>>({sums.data(), groups, width, parts, y.data(), accumulate},
                                                  how);
    auto const w = static_cast<std::size_t>(width);
    auto const r = static_cast<std::size_t>(rows);
    for (std::size_t i = 0; i < y.size(); ++i) {
      double expected = accumulate ? before.at(i) : 0;
      double size = 1;
      for (std::size_t row = 0; row < r; ++row) {
        auto const term = x.at((i / w * r + row) * w + i % w);
        expected += term;
        size += std::abs(term);
      }
      if (!(std::abs(y.at(i) - expected) <= 2 * test::rounding<T> * (1 + std::abs(expected)) + 1e-6 * size))
        return false;
    }
    return true;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("columns are summed, group by group", "[kernel]", float, bf16, half) {
  for (index_t const groups : {0, 1, 3})
    for (index_t const rows : {0, 1, 129})
      for (int const width : {1, 7, 32, 33, 129})
        for (int const parts : {1, 11}) {
          INFO(groups << " groups, " << rows << " rows, " << width << " wide, " << parts << " parts");
          REQUIRE(problem<TestType>{groups, rows, width, parts, rows % 2 == 1}.passes(
              {.order = test::thread_order::seeded, .seed = static_cast<std::uint64_t>(width)}));
        }
  for (auto const& how : test::all_orders) {
    REQUIRE(problem<TestType>{1, 10, 2048, 3, false}.passes(how));
    REQUIRE(problem<TestType>{1, 5, 2056, 2, false}.passes(how));  // a second block for a few columns
    REQUIRE(problem<TestType>{2, 300, 32, 3, true}.passes(how));
    REQUIRE(problem<TestType>{2, 20, 64, 2, true, 1}.passes(how));  // unaligned
  }
}

TEST_CASE("each barrier of the columns' sums is needed", "[kernel]") {
  test::check_barriers([](emulation const& how) {
    return problem<float>{1, 100, 32, 2, false}.passes(how) &&
           problem<float>{2, 90, 33, 19, true}.passes(how);
  });
}
