#include "sysdpo/kernel/scatter_rows.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::half;
using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("rows go to their places, and nowhere else", "[kernel]", float, bf16, half) {
  std::vector<std::int32_t> const places{6, 0, -1, 3, 10, 9, std::numeric_limits<std::int32_t>::max()};
  memory<std::int32_t> const there(places);
  for (index_t const rows : {0, 1, 7})
    for (int const width : {1, 7, 32, 129, 300})
      for (index_t const shift : {0, 1})
        for (auto const& how : test::all_orders) {
          auto const x = test::random_memory<TestType>(rows * width, 1, 1, shift);
          auto const before = test::random_memory<TestType>(index_t{10} * width, 2, 1, shift);
          memory<TestType> const to(before);
          test::run<sysdpo::kernel::scatter_rows<TestType>>(
              {x.data(), there.data(), rows, 10, width, to.data()}, how);
          auto const w = static_cast<std::size_t>(width);
          std::vector<double> expected(10 * w);
          for (std::size_t i = 0; i < 10 * w; ++i) expected[i] = before.at(i);
          for (std::size_t i = 0; i < x.size(); ++i)
            if (auto const place = places[i / w]; place >= 0 && place < 10)
              expected[static_cast<std::size_t>(place) * w + i % w] = x.at(i);
          for (std::size_t i = 0; i < 10 * w; ++i) REQUIRE(to.at(i) == expected[i]);
        }
}
