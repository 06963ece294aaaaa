#include "sysdpo/kernel/patches.hpp"

#include <vector>

#include "support/emulation.hpp"

using test::bf16;
using test::half;
using test::index_t;
using test::memory;

namespace {

sysdpo::kernel::patches_layout layout_of(index_t images, int height, int width, int channels,
                                         int kernel_height, int kernel_width, int stride, int padding) {
  return {.images = images,
          .height = height,
          .width = width,
          .channels = channels,
          .kernel_height = kernel_height,
          .kernel_width = kernel_width,
          .stride = stride,
          .padding = padding,
          .out_height = (height + 2 * padding - kernel_height) / stride + 1,
          .out_width = (width + 2 * padding - kernel_width) / stride + 1};
}

}  // namespace

TEMPLATE_TEST_CASE("patches are what a convolution sees, and give its gradient back", "[kernel]", float, bf16,
                   half) {
  auto const is = GENERATE(layout_of(1, 1, 1, 1, 1, 1, 1, 0), layout_of(2, 5, 4, 3, 3, 3, 1, 1),
                           layout_of(2, 7, 6, 5, 3, 3, 2, 1), layout_of(1, 6, 9, 33, 2, 3, 1, 0),
                           layout_of(3, 4, 4, 2, 4, 4, 4, 0), layout_of(1, 3, 3, 4, 5, 5, 1, 2));
  auto const x = test::random_memory<TestType>(is.size(), 1);
  auto const dpatches = test::random_memory<TestType>(is.rows() * is.columns(), 2);
  auto const before = test::random_memory<TestType>(is.size(), 3);
  for (auto const& how : test::all_orders)
    for (bool const accumulate : {false, true}) {
      memory<TestType> patches(is.rows() * is.columns()), dx(before);
      test::run<sysdpo::kernel::patches<TestType>>({x.data(), is, patches.data()}, how);
      test::run<sysdpo::kernel::patches_backward<TestType>>({dpatches.data(), is, dx.data(), accumulate},
                                                            how);
      std::vector<double> expected(x.size());
      std::size_t at = 0;  // in the patches' order
      for (index_t n = 0; n < is.images; ++n)
        for (int row = 0; row < is.out_height; ++row)
          for (int column = 0; column < is.out_width; ++column)
            for (int c = 0; c < is.channels; ++c)
              for (int i = 0; i < is.kernel_height; ++i)
                for (int j = 0; j < is.kernel_width; ++j, ++at) {
                  int const h = row * is.stride + i - is.padding;
                  int const w = column * is.stride + j - is.padding;
                  bool const inside = h >= 0 && h < is.height && w >= 0 && w < is.width;
                  auto const from =
                      static_cast<std::size_t>(((n * is.height + h) * is.width + w) * is.channels + c);
                  REQUIRE(patches.at(at) == (inside ? x.at(from) : 0));
                  if (inside) expected[from] += dpatches.at(at);
                }
      for (std::size_t i = 0; i < expected.size(); ++i)
        REQUIRE(test::close(dx.at(i), expected[i] + (accumulate ? before.at(i) : 0),
                            test::rounding<TestType> + 1e-6));
    }
}
