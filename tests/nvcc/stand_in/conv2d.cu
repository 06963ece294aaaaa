// What cuDNN is told of convolutions, and what comes of its refusals, on stand-ins for the libraries.
#include "sysdpo/backend/cuda/conv2d.cuh"

#include <random>
#include <string>
#include <vector>

#include "stand_in.hpp"
#include "support/catch.hpp"
#include "sysdpo/backend/recorded_step.hpp"
#include "sysdpo/tensor/tensor.hpp"

using sysdpo::cuda;
using sysdpo::index_t;
using sysdpo::shape;
using array = sysdpo::tensor<cuda, float>;
using numbers = std::vector<float>;
using op = sysdpo::implement<sysdpo::conv2d_op, cuda>;

namespace {

numbers random_numbers(index_t size, unsigned seed) {
  std::mt19937 random(seed);
  numbers made;
  for (index_t i = 0; i < size; ++i)
    made.push_back(static_cast<float>(static_cast<int>(random() % 17) - 8) / 4);
  return made;
}

/// The one kernel of these tests: what packs weights and unpacks their gradient.
void swap_axes(unsigned /*blocks*/, void const* arguments) {
  auto const& [x, outer, a, b, y, accumulate] =
      *static_cast<sysdpo::kernel::swap_axes<float>::arguments const*>(arguments);
  for (index_t n = 0; n < outer; ++n)
    for (index_t i = 0; i < a; ++i)
      for (index_t j = 0; j < b; ++j) {
        auto& to = y[(n * b + j) * a + i];
        to = x[(n * a + i) * b + j] + (accumulate ? to : 0);
      }
}

/// A convolution of random numbers, by the definition: y, and with dy = y the gradients.
struct problem {
  shape of_x, of_w;
  index_t stride, padding;
  sysdpo::conv2d_sizes is{of_x, of_w, stride, padding};
  shape of_y{is.images, is.out_height, is.out_width, is.outputs};
  numbers x = random_numbers(of_x.size(), 1);
  numbers w = random_numbers(of_w.size(), 2);
  numbers y = numbers(static_cast<std::size_t>(of_y.size()));
  numbers dx = numbers(x.size());
  numbers dw = numbers(w.size());

  problem(shape const& given_x, shape const& given_w, index_t given_stride, index_t given_padding)
      : of_x(given_x), of_w(given_w), stride(given_stride), padding(given_padding) {
    meet([&](auto at_x, auto at_w, auto at_y) { y[at_y] += x[at_x] * w[at_w]; });
    meet([&](auto at_x, auto at_w, auto at_y) {
      dx[at_x] += y[at_y] * w[at_w];
      dw[at_w] += y[at_y] * x[at_x];
    });
  }

  /// visit(place in x, in w, in y) of all that meet.
  template <class Visit>
  void meet(Visit&& visit) const {
    for (index_t n = 0; n < is.images; ++n)
      for (index_t row = 0; row < is.out_height; ++row)
        for (index_t column = 0; column < is.out_width; ++column)
          for (index_t o = 0; o < is.outputs; ++o)
            for (index_t c = 0; c < is.channels; ++c)
              for (index_t i = 0; i < is.kernel_height; ++i)
                for (index_t j = 0; j < is.kernel_width; ++j) {
                  auto const h = row * stride + i - padding;
                  auto const v = column * stride + j - padding;
                  if (h < 0 || h >= is.height || v < 0 || v >= is.width) continue;
                  visit(static_cast<std::size_t>(((n * is.height + h) * is.width + v) * is.channels + c),
                        static_cast<std::size_t>(
                            ((o * is.channels + c) * is.kernel_height + i) * is.kernel_width + j),
                        static_cast<std::size_t>(
                            ((n * is.out_height + row) * is.out_width + column) * is.outputs + o));
                }
  }
};

/// A tensor of these numbers that begins `shift` elements behind an aligned address.
array array_of(shape const& extents, numbers values, index_t shift) {
  values.insert(values.begin(), static_cast<std::size_t>(shift), 0);
  auto const all = array::from_host({std::ssize(values)}, values);
  return all.slice(shift, all.size()).reshaped(extents);
}

/// Engines that may be used, and such as may not.
std::vector<stand_in::engine> const some_engines{
    {.notes = {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}},
    {.notes = {CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION}},
    {.notes = {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}},  // which rounds float
    {.status = CUDNN_STATUS_NOT_SUPPORTED},
    {.workspace = index_t{1} << 40},
    {.workspace = 1000},
    {.workspace = 1 << 20}};

void check(problem const& expected, index_t shift) {
  stand_in::kernel = swap_axes;
  stand_in::argument_bytes = sizeof(sysdpo::kernel::swap_axes<float>::arguments);
  auto const x = array_of(expected.of_x, expected.x, shift);
  auto const w = array_of(expected.of_w, expected.w, 0);
  auto const dy = array_of(expected.of_y, expected.y, shift);
  array y(expected.of_y);
  op::forward<float>(x.const_view(), w.const_view(), {}, y.view(), expected.stride, expected.padding);
  CHECK(y.to_host() == expected.y);

  array dx(expected.of_x);
  array dw(expected.of_w);
  op::backward<float>(x.const_view(), w.const_view(), dy.const_view(), {dx.data(), dx.extents(), false},
                      {dw.data(), dw.extents(), false}, {}, expected.stride, expected.padding);
  CHECK(dx.to_host() == expected.dx);
  CHECK(dw.to_host() == expected.dw);
}

}  // namespace

TEST_CASE("cuDNN finds images, weights and gradients where they lie", "[cuda]") {
  stand_in::engines = some_engines;
  auto const convolutions = stand_in::convolutions;
  int expected = 0;
  for (auto const& one :
       {problem({2, 5, 4, 3}, {2, 3, 3, 3}, 1, 1), problem({1, 7, 8, 2}, {3, 2, 3, 3}, 2, 1),
        problem({1, 4, 6, 1}, {2, 1, 2, 3}, 1, 0)})
    for (index_t const shift : {0, 1}) {  // operands at odd addresses are copied
      check(one, shift);
      expected += 3;
    }
  CHECK(stand_in::convolutions == convolutions + expected);
  CHECK(sysdpo::convolutions_by_products().empty());
}

TEST_CASE("a plan is made once for each problem, of the first engine that will do", "[cuda]") {
  stand_in::engines = some_engines;
  problem const given({1, 9, 9, 1}, {2, 1, 3, 3}, 1, 1);
  auto const plans = stand_in::execution_plans;
  check(given, 0);
  // The one that wants a terabyte is passed over for a modest one.
  CHECK(stand_in::execution_plans == plans + 6);
  auto const descriptors = stand_in::descriptors;
  check(given, 1);
  check(given, 0);
  CHECK(stand_in::execution_plans == plans + 6);
  CHECK(stand_in::descriptors == descriptors);
  stand_in::engines = {{.status = CUDNN_STATUS_NOT_SUPPORTED}, {.workspace = 5, .is_fallback = true}};
  check(problem({1, 8, 9, 1}, {2, 1, 3, 3}, 1, 1), 0);  // another one, which the fallback alone can do
  CHECK(stand_in::execution_plans == plans + 9);
}

TEST_CASE("TF32 is used where it is allowed", "[cuda]") {
  stand_in::engines = {{.notes = {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}}};
  auto const plans = stand_in::execution_plans;
  cuda::allow_tf32(true);
  check(problem({1, 6, 6, 1}, {1, 1, 3, 3}, 1, 1), 0);
  cuda::allow_tf32(false);
  CHECK(stand_in::execution_plans == plans + 3);
}

TEST_CASE("what cuDNN has no engine for is done by products, and told", "[cuda]") {
  stand_in::engines = {{.notes = {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}},
                       {.status = CUDNN_STATUS_NOT_SUPPORTED, .is_fallback = true}};
  auto const before = stand_in::convolutions;
  static int launches;
  launches = 0;
  stand_in::kernel = [](unsigned, void const*) { ++launches; };
  stand_in::argument_bytes = sizeof(sysdpo::kernel::patches<float>::arguments);
  array const x = array::from_host({1, 4, 4, 3}, numbers(48, 1));
  array const w = array::from_host({2, 3, 3, 3}, numbers(54, 1));
  array y({1, 4, 4, 2});
  op::forward<float>(x.const_view(), w.const_view(), {}, y.view(), 1, 1);
  cuda::synchronize();
  CHECK(launches == 1);  // of what takes patches; the product is cuBLASLt's
  CHECK(stand_in::convolutions == before);
  auto const told = sysdpo::convolutions_by_products();
  REQUIRE(told.size() == 1);
  CHECK_THAT(told[0], Catch::Contains("conv2d forward, x [1, 4, 4, 3], weight [2, 3, 3, 3]") &&
                          Catch::Contains("cuDNN said NOT_SUPPORTED"));
}

TEST_CASE("a call that cuDNN fails is named, with its status, and may do the next time", "[cuda]") {
  stand_in::engines = {{.status = CUDNN_STATUS_NOT_SUPPORTED},
                       {.status = CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED},
                       {.status = CUDNN_STATUS_NOT_SUPPORTED, .is_fallback = true}};
  auto const told = sysdpo::convolutions_by_products();
  problem const given({1, 4, 5, 1}, {1, 1, 3, 3}, 1, 1);
  CHECK_THROWS_WITH(check(given, 0),
                    Catch::Contains("cuDNN (choice of an engine by cudnnBackendFinalize, conv2d "
                                    "forward, x [1, 4, 5, 1]") &&
                        Catch::Contains("another status, in the stand-in's words"));
  CHECK(sysdpo::convolutions_by_products() == told);
  stand_in::engines[1].status = CUDNN_STATUS_SUCCESS;
  check(given, 0);
  CHECK(sysdpo::convolutions_by_products() == told);

  sysdpo::cuda_detail::cudnn_descriptor unfinished(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  CHECK_THROWS_WITH(
      unfinished.finish("a tensor", "for a test"),
      Catch::Contains("cuDNN (cudnnBackendFinalize of a tensor, for a test): another status, in "
                      "the stand-in's words"));
  CHECK_THROWS_WITH(unfinished.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, 1.0F),
                    Catch::Contains("cudnnBackendSetAttribute"));
}

TEST_CASE("a recorded step holds convolutions", "[cuda]") {
  stand_in::engines = some_engines;
  problem const given({1, 5, 5, 1}, {2, 1, 3, 3}, 1, 1);
  auto x = array_of(given.of_x, given.x, 0);
  auto const w = array_of(given.of_w, given.w, 0);
  array y(given.of_y);
  auto const step = [&] {
    cuda::upload(x.data(), given.x.data(), x.bytes());
    op::forward<float>(x.const_view(), w.const_view(), {}, y.view(), 1, 1);
  };
  step();
  sysdpo::recorded_step<cuda> again(step);
  cuda::zero(x.data(), x.bytes());
  cuda::zero(y.data(), y.bytes());
  again.replay();
  CHECK(y.to_host() == given.y);
  REQUIRE(again.update(step));
  again.replay();
  CHECK(y.to_host() == given.y);
  array other(given.of_y);
  std::swap(y, other);  // results elsewhere: another call
  CHECK(!again.update(step));
}
