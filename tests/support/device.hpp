// Compares operations on kernels, `device`, with the CPU's in double: values and gradients.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"
#include "sysdpo/backend/cpu.hpp"
#include "sysdpo/core/philox.hpp"
#include "sysdpo/tensor/packed.hpp"
#include "sysdpo/tensor/tape.hpp"

#if defined(__CUDACC__)
#include "sysdpo/backend/cuda.cuh"
#else
#include "sysdpo/backend/emulated.hpp"
#endif

// The formats of typed tests. Under the address sanitizer one must do, or two where 16 bits have code of
// their own: the others would take minutes to build, and tests/kernel has their kernels in all formats.
#if SYSDPO_ADDRESS_SANITIZER
#define SYSDPO_FORMATS float
#define SYSDPO_FORMATS_OF_WORDS float, sysdpo::bf16
#else
#define SYSDPO_FORMATS float, sysdpo::bf16, sysdpo::half
#define SYSDPO_FORMATS_OF_WORDS SYSDPO_FORMATS
#endif

namespace test {

#if defined(__CUDACC__)
using device = sysdpo::cuda;
#else
using device = sysdpo::emulated;
#endif

using sysdpo::bf16;
using sysdpo::half;
using sysdpo::index_t;
using sysdpo::shape;
using numbers = std::vector<double>;

/// x as T has it, as a double.
template <class T>
double rounded(double x) {
  if constexpr (std::is_same_v<T, double>)
    return x;
  else
    return static_cast<double>(static_cast<float>(T(static_cast<float>(x))));
}

/// Normal numbers that T holds.
template <class T>
numbers random_numbers(index_t size, std::uint64_t seed, double scale = 1) {
  numbers made;
  sysdpo::generator random(seed);
  for (index_t i = 0; i < size; ++i) made.push_back(rounded<T>(scale * static_cast<double>(random.normal())));
  return made;
}

/// `values`, which begin `shift` elements behind an address that all words like.
template <class Backend, class T>
sysdpo::tensor<Backend, T> tensor_of(shape const& extents, numbers const& values, index_t shift = 0) {
  std::vector<T> cast(static_cast<std::size_t>(shift));
  for (auto const x : values) {
    if constexpr (std::is_same_v<T, double>)
      cast.push_back(x);
    else
      cast.push_back(T(static_cast<float>(x)));
  }
  auto const all = sysdpo::tensor<Backend, T>::from_host({std::ssize(cast)}, cast);
  return all.slice(shift, all.size()).reshaped(extents);
}

template <class Backend, class T>
numbers numbers_of(sysdpo::tensor<Backend, T> const& from) {
  numbers made;
  for (auto const x : from.to_host()) {
    if constexpr (std::is_same_v<T, double>)
      made.push_back(x);
    else
      made.push_back(static_cast<double>(static_cast<float>(x)));
  }
  return made;
}

/// ids on a backend.
template <class Backend>
sysdpo::tensor<Backend, std::int32_t> ids(std::vector<std::int32_t> const& from) {
  return sysdpo::tensor<Backend, std::int32_t>::from_host({static_cast<index_t>(from.size())}, from);
}

/// An input: its extents, and whether it gets a gradient.
struct input {
  shape extents;
  double scale = 1;
  bool wants_gradient = true;
};

/// An op's value, and its inputs' gradients, taken twice so that the second is added to the first. Inputs and
/// gradients begin at odd addresses where there is a shift.
template <class Backend, class T, class Op>
std::vector<numbers> results_of(Op const& op, std::vector<input> const& inputs,
                                std::vector<numbers> const& values, std::uint64_t seed, index_t shift = 0) {
  std::vector<sysdpo::gradient_slot<Backend, T>> slots(inputs.size());
  if (shift != 0)
    for (std::size_t i = 0; i < inputs.size(); ++i)
      slots[i].value = sysdpo::tensor<Backend, T>({shift + std::ssize(values[i])})
                           .slice(shift, shift + std::ssize(values[i]));
  std::vector<numbers> results(1 + inputs.size());
  for (int pass = 0; pass < 2; ++pass) {
    sysdpo::tape<Backend, T> tape;
    std::vector<sysdpo::variable<Backend, T>> arguments;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      // Gradients have the extents of what was watched, whatever an op sees of it.
      auto x = tensor_of<Backend, T>({inputs[i].extents.size()}, values[i], shift);
      arguments.push_back(
          (inputs[i].wants_gradient ? tape.watch(std::move(x), slots[i]) : tape.constant(std::move(x)))
              .reshaped(inputs[i].extents));
    }
    auto const y = op(tape, arguments);
    arguments.clear();
    using result = typename std::remove_cvref_t<decltype(y.value())>::value_type;
    results[0] = numbers_of(y.value());
    tape.backward(y,
                  tensor_of<Backend, result>(y.extents(), random_numbers<T>(y.extents().size(), seed + 100)));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].wants_gradient) results[i + 1] = numbers_of(slots[i].value);
  return results;
}

/// Half a unit in the last place near 1.
template <class T>
inline constexpr double unit = std::is_same_v<T, float>  ? 0x1p-24
                               : std::is_same_v<T, half> ? 0x1p-11
                                                         : 0x1p-8;

/// Whether all of x are `expected` to `tolerance` of the largest and of 1; NaN fits NaN.
inline bool agree(numbers const& x, numbers const& expected, double tolerance) {
  if (x.size() != expected.size()) return false;
  double largest = 1;
  for (auto const y : expected)
    if (std::isfinite(y)) largest = std::max(largest, std::abs(y));
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(expected[i]) ? std::isnan(x[i]) : x[i] == expected[i]) continue;
    if (!(std::abs(x[i] - expected[i]) <= tolerance * largest)) {
      UNSCOPED_INFO("element " << i << " is " << x[i] << ", not " << expected[i] << ", of a largest of "
                               << largest);
      return false;
    }
  }
  return true;
}

/// Calls `body()` in every order in which the emulator may run threads, or, where that takes long, in one of
/// them, another one each time. A GPU has its own.
template <class Body>
void in_all_orders(Body const& body, [[maybe_unused]] bool is_long = false) {
#if defined(__CUDACC__)
  body();
#else
  using sysdpo::thread_order;
  struct order {
    explicit order(sysdpo::emulation const& how) { device::how() = how; }
    ~order() { device::how() = {}; }
  };
  static int turn = 0;
  ++turn;
  for (auto const one : {thread_order::in_order, thread_order::reversed, thread_order::seeded}) {
    if (is_long && turn % 3 != static_cast<int>(one)) continue;
    order const now({.order = one, .seed = static_cast<std::uint64_t>(turn)});
    INFO("order of threads " << static_cast<int>(one) << ", seed " << turn);
    body();
  }
#endif
}

/// Checks `op(tape, inputs)` on the device in T against the CPU in double: `roundings` to T apart at most,
/// and a sum in float. `shift`: as for results_of.
template <class T, class Op>
void check_op(Op const& op, std::vector<input> const& inputs, double roundings = 3, index_t shift = 0) {
  static std::uint64_t seed = 0;
  ++seed;
  std::vector<numbers> values;
  index_t elements = 0;
  for (auto const& each : inputs) {
    values.push_back(random_numbers<T>(each.extents.size(), 10 * seed + values.size(), each.scale));
    elements += each.extents.size();
  }
  auto const expected = results_of<sysdpo::cpu, double>(op, inputs, values, seed);
  in_all_orders(
      [&] {
        auto const got = results_of<device, T>(op, inputs, values, seed, shift);
        for (std::size_t i = 0; i < got.size(); ++i) {
          INFO((i == 0 ? "the value" : "the gradient of input " + std::to_string(i - 1)));
          REQUIRE(agree(got[i], expected[i], roundings * unit<T> + 100 * unit<float>));
        }
      },
      elements > 4096);
}

}  // namespace test
