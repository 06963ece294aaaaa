#include "sysdpo/kernel/concat.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::half;
using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("rows are put side by side, and their gradients taken apart", "[kernel]", float, bf16,
                   half) {
  for (auto const& [left, right] : {std::pair{1, 1}, {7, 33}, {8, 16}, {129, 1}, {320, 640}, {0, 5}, {16, 0}})
    for (index_t const rows : {0, 1, 9})
      for (index_t const shift : {0, 1})
        for (auto const& how : test::all_orders) {
          auto const a = test::random_memory<TestType>(rows * left, 1, 1, shift);
          auto const b = test::random_memory<TestType>(rows * right, 2);
          memory<TestType> const y(rows * (left + right));
          test::run<sysdpo::kernel::concat<TestType>>({a.data(), b.data(), rows, left, right, y.data()}, how);
          auto const dy = test::random_memory<TestType>(rows * (left + right), 3, 1, shift);
          memory<TestType> const da(rows * left);
          auto const before = test::random_memory<TestType>(rows * right, 4);
          memory<TestType> const db(before), alone(rows * right);
          test::run<sysdpo::kernel::concat_backward<TestType>>(
              {dy.data(), rows, left, right, da.data(), db.data(), false, true}, how);
          test::run<sysdpo::kernel::concat_backward<TestType>>(
              {dy.data(), rows, left, right, nullptr, alone.data(), true, false}, how);
          auto const l = static_cast<std::size_t>(left);
          auto const r = static_cast<std::size_t>(right);
          for (std::size_t i = 0; i < y.size(); ++i) {
            auto const row = i / (l + r);
            auto const column = i % (l + r);
            if (column < l) {
              auto const at = row * l + column;
              REQUIRE(y.at(i) == a.at(at));
              REQUIRE(da.at(at) == dy.at(i));
            } else {
              auto const at = row * r + column - l;
              REQUIRE(y.at(i) == b.at(at));
              REQUIRE(alone.at(at) == dy.at(i));
              REQUIRE(test::close(db.at(at), before.at(at) + dy.at(i), test::rounding<TestType> + 1e-6));
            }
          }
        }
}

TEST_CASE("the left side's gradient may be wanted alone, and added", "[kernel]") {
  auto const dy = test::random_memory<float>(60, 1);
  auto const da = test::random_memory<float>(20, 2);
  auto const before = da;
  test::run<sysdpo::kernel::concat_backward<float>>({dy.data(), 5, 4, 8, da.data(), nullptr, true, false});
  for (std::size_t i = 0; i < 20; ++i) REQUIRE(da[i] == before[i] + dy[i / 4 * 12 + i % 4]);
}
