#include "sysdpo/kernel/upsample.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::half;
using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("pixels become four, and four gradients one", "[kernel]", float, bf16, half) {
  for (index_t const images : {0, 2})
    for (auto const& [height, width] : {std::pair{1, 1}, {7, 3}, {4, 9}})
      for (int const channels : {1, 7, 16})
        for (bool const accumulate : {false, true})
          for (auto const& how : test::all_orders) {
            index_t const shift = accumulate ? 1 : 0;
            auto const size = images * height * width * channels;
            auto const x = test::random_memory<TestType>(size, 1, 1, shift);
            auto const dy = test::random_memory<TestType>(4 * size, 2, 1, shift);
            auto const before = test::random_memory<TestType>(size, 3);
            memory<TestType> const y(4 * size), dx(before);
            test::run<sysdpo::kernel::upsample<TestType>>(
                {x.data(), {images, height, width, channels}, y.data()}, how);
            test::run<sysdpo::kernel::upsample_backward<TestType>>(
                {dy.data(), {images, height, width, channels}, dx.data(), accumulate}, how);
            std::vector<double> sums(x.size());
            auto const c = static_cast<std::size_t>(channels);
            auto const w = static_cast<std::size_t>(width);
            for (std::size_t i = 0; i < y.size(); ++i) {
              auto const column = i / c % (2 * w);
              auto const line = i / (c * 2 * w);  // images have even heights: lines need no image
              auto const from = ((line / 2) * w + column / 2) * c + i % c;
              REQUIRE(y.at(i) == x.at(from));
              sums[from] += dy.at(i);
            }
            for (std::size_t i = 0; i < x.size(); ++i)
              REQUIRE(test::close(dx.at(i), sums[i] + (accumulate ? before.at(i) : 0),
                                  2 * test::rounding<TestType> + 1e-6));
          }
}
