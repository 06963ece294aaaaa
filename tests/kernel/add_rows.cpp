#include "sysdpo/kernel/add_rows.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::half;
using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("a row is added at all places of its image", "[kernel]", float, bf16, half) {
  for (index_t const images : {0, 1, 3})
    for (index_t const places : {1, 7, 33})
      for (int const channels : {1, 7, 32, 129})
        for (index_t const shift : {0, 1})
          for (auto const& how : test::all_orders) {
            auto const x = test::random_memory<TestType>(images * places * channels, 1, 1, shift);
            auto const rows = test::random_memory<TestType>(images * channels, 2);
            memory<TestType> const y(images * places * channels), there(x);
            auto const add = [&](memory<TestType> const& from, memory<TestType> const& to) {
              test::run<sysdpo::kernel::add_rows<TestType>>(
                  {from.data(), rows.data(), images, places, channels, to.data()}, how);
            };
            add(x, y);
            add(there, there);
            auto const c = static_cast<std::size_t>(channels);
            auto const image_size = static_cast<std::size_t>(places) * c;
            for (std::size_t i = 0; i < y.size(); ++i) {
              auto const expected = x.at(i) + rows.at(i / image_size * c + i % c);
              REQUIRE(test::close(y.at(i), expected, test::rounding<TestType> + 1e-6));
              REQUIRE(there.at(i) == y.at(i));
            }
          }
}
