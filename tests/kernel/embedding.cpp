#include "sysdpo/kernel/embedding.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <vector>

#include "support/emulation.hpp"

using test::bf16;
using test::half;
using test::index_t;
using test::memory;

namespace {

/// The rows in the order of their ids, and these.
std::array<std::vector<std::int32_t>, 2> sorted_rows(std::vector<std::int32_t> const& ids) {
  std::array<std::vector<std::int32_t>, 2> result;
  auto& [order, sorted] = result;
  order.resize(ids.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return ids[static_cast<std::size_t>(a)] < ids[static_cast<std::size_t>(b)];
  });
  for (auto const n : order) sorted.push_back(ids[static_cast<std::size_t>(n)]);
  return result;
}

}  // namespace

TEMPLATE_TEST_CASE("embedding takes rows of a table and gives gradients back", "[kernel]", float, bf16,
                   half) {
  for (int const width : {1, 7, 32, 129, 1200})
    for (auto const& how : test::all_orders) {
      std::vector<std::int32_t> const ids{4, 0, 4, 2, 4, 0, 9};
      auto const rows = std::ssize(ids);
      auto const [order, sorted] = sorted_rows(ids);
      memory<std::int32_t> const ids_there(ids), order_there(order), sorted_there(sorted);
      auto const table = test::random_memory<TestType>(index_t{10} * width, 1);
      auto const dy = test::random_memory<TestType>(rows * width, 2);
      auto const before = test::random_memory<TestType>(index_t{10} * width, 3);
      memory<TestType> y(rows * width), dtable(before);
      test::run<sysdpo::kernel::embedding<TestType>>(
          {table.data(), ids_there.data(), rows, 10, width, y.data()}, how);
      test::run<sysdpo::kernel::embedding_backward<TestType>>(
          {sorted_there.data(), order_there.data(), dy.data(), rows, 10, width, dtable.data(), nullptr}, how);
      auto const w = static_cast<std::size_t>(width);
      std::vector<double> expected(10 * w);
      for (std::size_t i = 0; i < 10 * w; ++i) expected[i] = before.at(i);
      for (std::size_t n = 0; n < ids.size(); ++n)
        for (std::size_t i = 0; i < w; ++i) {
          auto const at = static_cast<std::size_t>(ids[n]) * w + i;
          REQUIRE(y.at(n * w + i) == table.at(at));
          expected[at] += dy.at(n * w + i);
        }
      for (std::size_t i = 0; i < 10 * w; ++i)
        REQUIRE(test::close(dtable.at(i), expected[i], 2 * test::rounding<TestType> + 1e-6));
    }
}

TEMPLATE_TEST_CASE("ids that have no row give NaN, and take no gradient", "[kernel]", float, bf16, half) {
  for (int const width : {1, 32, 33}) {
    memory<std::int32_t> const ids(
        std::vector<std::int32_t>{std::numeric_limits<std::int32_t>::min(), -1, 1, 2, 3});
    memory<std::int32_t> const order(std::vector<std::int32_t>{0, 1, 2, 3, 4});
    auto const table = test::random_memory<TestType>(index_t{2} * width, 1);
    auto const dy = test::random_memory<TestType>(index_t{5} * width, 2);
    memory<TestType> y(index_t{5} * width), dtable(table);
    test::run<sysdpo::kernel::embedding<TestType>>({table.data(), ids.data(), 5, 2, width, y.data()});
    test::run<sysdpo::kernel::embedding_backward<TestType>>(
        {ids.data(), order.data(), dy.data(), 5, 2, width, dtable.data(), nullptr});
    auto const w = static_cast<std::size_t>(width);
    for (std::size_t i = 0; i < 5 * w; ++i)
      REQUIRE(test::close(y.at(i), i / w == 2 ? table.at(w + i % w) : std::nan(""), 0));
    for (std::size_t i = 0; i < w; ++i) {
      REQUIRE(dtable.at(i) == table.at(i));
      REQUIRE(test::close(dtable.at(w + i), table.at(w + i) + dy.at(2 * w + i),
                          2 * test::rounding<TestType> + 1e-6));
    }
  }
}

TEMPLATE_TEST_CASE("gradients of ids that come often are added up piece by piece", "[kernel]", float, bf16,
                   half) {
  // How often 0, 1 … come: runs that end where a chunk of 64 does, are cut once, many times, and at both
  // ends.
  using counts = std::vector<int>;
  auto const comes = GENERATE(counts{64, 64}, counts{65}, counts{63, 66}, counts{1, 300, 2}, counts{400},
                              counts{64, 128, 1}, counts{10, 54, 1, 0, 127, 70});
  for (int const width : {1, 40}) {
    std::vector<std::int32_t> ids;
    for (std::size_t id = 0; id < comes.size(); ++id)
      ids.insert(ids.end(), static_cast<std::size_t>(comes[id]), static_cast<std::int32_t>(id));
    sysdpo::generator(7).shuffle(std::span(ids));
    auto const rows = std::ssize(ids);
    auto const [order, sorted] = sorted_rows(ids);
    memory<std::int32_t> const order_there(order), sorted_there(sorted);
    index_t const table_rows = std::ssize(comes) - (comes.size() == 3 ? 1 : 0);  // then the last has no row
    auto const dy = test::random_memory<TestType>(rows * width, 2);
    auto const before = test::random_memory<TestType>(table_rows * width, 3);
    auto const w = static_cast<std::size_t>(width);
    std::vector<double> expected(before.size());
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = before.at(i);
    for (std::size_t n = 0; n < ids.size(); ++n)
      for (std::size_t i = 0; i < w && ids[n] < table_rows; ++i)
        expected[static_cast<std::size_t>(ids[n]) * w + i] += dy.at(n * w + i);
    for (auto const& how : test::all_orders) {
      using gradient = sysdpo::kernel::embedding_gradient<TestType>;
      memory<TestType> const dtable(before);
      memory<float> const pieces(2 * gradient::chunks(rows) * width);
      gradient const given{sorted_there.data(), order_there.data(), dy.data(), rows, table_rows, width,
                           dtable.data(),       pieces.data()};
      test::run<sysdpo::kernel::embedding_backward<TestType>>(given, how);
      test::run<sysdpo::kernel::embedding_backward_end<TestType>>(given, how);
      for (std::size_t i = 0; i < expected.size(); ++i)
        REQUIRE(test::close(dtable.at(i), expected[i], 2 * test::rounding<TestType> + 1e-5));
    }
  }
}
