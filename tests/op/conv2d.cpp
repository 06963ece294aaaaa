#include "sysdpo/op/conv2d.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/conv2d.hpp"

using sysdpo::index_t;
using test::random_tensor;

namespace {

struct conv_case {
  index_t images, height, width, channels, outputs, kernel, stride, padding;
};

// Sizes around the widths of the register tiles, both strides, kernels without and with a border; of 3×3 with
// rows that divide by four and such that don't.
constexpr conv_case cases[] = {{2, 5, 4, 3, 2, 3, 1, 1}, {1, 6, 6, 2, 9, 3, 2, 1}, {2, 5, 5, 4, 5, 3, 2, 1},
                               {2, 3, 3, 5, 3, 1, 1, 0}, {1, 5, 6, 2, 3, 3, 1, 0}, {1, 4, 4, 2, 2, 1, 2, 0},
                               {1, 7, 6, 2, 2, 3, 3, 2}, {1, 4, 5, 2, 2, 2, 2, 0}, {1, 5, 4, 1, 2, 5, 1, 2},
                               {1, 3, 2, 2, 2, 1, 1, 1}, {2, 3, 4, 5, 6, 3, 1, 1}, {1, 3, 6, 4, 4, 3, 1, 0},
                               {1, 2, 8, 5, 4, 3, 1, 2}, {3, 2, 8, 4, 5, 3, 1, 1}};

}  // namespace

TEST_CASE("conv2d has the gradients of finite differences", "[op]") {
  for (auto const& sizes : cases)
    test::check_gradients(
        [&](auto& tape, auto const& in) {
          return sysdpo::conv2d(tape, in[0], in[1], in[2],
                                {.stride = sizes.stride, .padding = sizes.padding});
        },
        {random_tensor({sizes.images, sizes.height, sizes.width, sizes.channels}, 1),
         random_tensor({sizes.outputs, sizes.channels, sizes.kernel, sizes.kernel}, 2),
         random_tensor({sizes.outputs}, 3)});
}

TEST_CASE("conv2d agrees with the sum that defines it, split over threads too", "[op]") {
  for (auto sizes : cases) {
    sizes.channels *= 7;
    sizes.outputs *= 11;
    auto const x = random_tensor({sizes.images, sizes.height, sizes.width, sizes.channels}, 1);
    auto const w = random_tensor({sizes.outputs, sizes.channels, sizes.kernel, sizes.kernel}, 2);
    auto const b = random_tensor({sizes.outputs}, 3);
    test::tape tape(sysdpo::recording::off);
    auto const y = sysdpo::conv2d(tape, tape.constant(x), tape.constant(w), tape.constant(b),
                                  {.stride = sizes.stride, .padding = sizes.padding})
                       .value();
    index_t element = 0;
    for (index_t n = 0; n < sizes.images; ++n)
      for (index_t h = 0; h < y.extent(1); ++h)
        for (index_t v = 0; v < y.extent(2); ++v)
          for (index_t o = 0; o < sizes.outputs; ++o, ++element) {
            auto sum = b.data()[o];
            for (index_t i = 0; i < sizes.kernel; ++i)
              for (index_t j = 0; j < sizes.kernel; ++j) {
                auto const row = h * sizes.stride + i - sizes.padding;
                auto const column = v * sizes.stride + j - sizes.padding;
                if (row < 0 || row >= sizes.height || column < 0 || column >= sizes.width) continue;
                for (index_t c = 0; c < sizes.channels; ++c)
                  sum += x.data()[((n * sizes.height + row) * sizes.width + column) * sizes.channels + c] *
                         w.data()[((o * sizes.channels + c) * sizes.kernel + i) * sizes.kernel + j];
              }
            REQUIRE(y.data()[element] == Approx(sum).margin(1e-11));
          }
    REQUIRE(element == y.size());
  }
}

TEST_CASE("conv2d names the shapes that do not fit", "[op]") {
  test::tape tape;
  auto const x = tape.constant(random_tensor({1, 2, 2, 3}, 1));
  REQUIRE_THROWS_WITH(sysdpo::conv2d(tape, x, tape.constant(random_tensor({4, 2, 1, 1}, 2)), {}),
                      Catch::Contains("[1, 2, 2, 3]") && Catch::Contains("[4, 2, 1, 1]"));
  REQUIRE_THROWS_WITH(sysdpo::conv2d(tape, x, tape.constant(random_tensor({4, 3, 3, 3}, 2)), {}),
                      Catch::Contains("larger than the padded image"));
  REQUIRE_THROWS_WITH(sysdpo::conv2d(tape, x, tape.constant(random_tensor({4, 3, 1, 1}, 2)),
                                     tape.constant(random_tensor({3}, 2))),
                      Catch::Contains("4 outputs"));
}

TEST_CASE("conv2d takes kernels and images that are no squares", "[op]") {
  for (auto const& [height, width] : {std::pair<index_t, index_t>{1, 3}, {3, 1}, {2, 4}, {5, 2}})
    for (index_t const stride : {1, 2})
      for (index_t const padding : {0, 1}) {
        auto const x = random_tensor({2, 6, 5, 2}, 1);
        auto const w = random_tensor({3, 2, height, width}, 2);
        test::tape tape(sysdpo::recording::off);
        sysdpo::conv2d_options const options{.stride = stride, .padding = padding};
        auto const y = sysdpo::conv2d(tape, tape.constant(x), tape.constant(w), {}, options).value();
        REQUIRE(y.extents() == sysdpo::shape{2, (6 + 2 * padding - height) / stride + 1,
                                             (5 + 2 * padding - width) / stride + 1, 3});
        index_t element = 0;
        for (index_t n = 0; n < 2; ++n)
          for (index_t h = 0; h < y.extent(1); ++h)
            for (index_t v = 0; v < y.extent(2); ++v)
              for (index_t o = 0; o < 3; ++o, ++element) {
                double sum = 0;
                for (index_t i = 0; i < height; ++i)
                  for (index_t j = 0; j < width; ++j) {
                    auto const row = h * stride + i - padding;
                    auto const column = v * stride + j - padding;
                    if (row < 0 || row >= 6 || column < 0 || column >= 5) continue;
                    for (index_t c = 0; c < 2; ++c)
                      sum += x.data()[((n * 6 + row) * 5 + column) * 2 + c] *
                             w.data()[((o * 2 + c) * height + i) * width + j];
                  }
                REQUIRE(y.data()[element] == Approx(sum).margin(1e-12));
              }
        test::check_gradients(
            [&](auto& t, auto const& in) { return sysdpo::conv2d(t, in[0], in[1], {}, options); }, {x, w});
      }
}
