// y[i] = f(x₀[i], x₁[i], …), element by element: one kernel for all functions of that kind, and the common
// ones. Arrays may differ in their type. Bound by memory.
#pragma once

#include <cstddef>
#include <utility>

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

namespace detail {

template <std::size_t Place, class T>
struct operand {
  T const* data;
};

/// Pointers to arrays of given types: {x₀, x₁, …}.
template <class Places, class... T>
struct operands;
template <std::size_t... Place, class... T>
struct operands<std::index_sequence<Place...>, T...> : operand<Place, T>... {
  SYSDPO_HOST_DEVICE operands(T const*... data) : operand<Place, T>{data}... {}
};

template <std::size_t Place, class T>
[[nodiscard]] SYSDPO_HOST_DEVICE T const* operand_at(operand<Place, T> const& from) {
  return from.data;
}

}  // namespace detail

/// y [size] = f(x…), or += it; f takes and gives float. x are one array or more [size], each of which may be
/// y where its type is y's.
template <class Function, class To, class... From>
struct map {
  static_assert(sizeof...(From) > 0 && std::is_trivially_copyable_v<Function>);
  static constexpr int threads = 256;
  using places = std::index_sequence_for<From...>;
  struct arguments {
    Function f;
    detail::operands<places, From...> x;
    index_t size;
    To* y;
    bool accumulate;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return blocks_for<threads, n>(given.size); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    run(block, given, places{});
  }

 private:
  static constexpr int n = common_pack_width<To, From...>;

  template <class Block, std::size_t... Place>
  static SYSDPO_DEVICE void run(Block& block, arguments const& given,
                                std::index_sequence<Place...> /*places*/) {
    bool const aligned =
        is_aligned<n>(given.y, 0) && (is_aligned<n>(detail::operand_at<Place>(given.x), 0) && ...);
    sweep_span<threads, n>(block, given.size, aligned, [&](index_t i, auto size) {
      float x[sizeof...(From)][size.value];
      float y[size.value];
      (load(x[Place], detail::operand_at<Place>(given.x) + i), ...);
      for (int j = 0; j < size.value; ++j) y[j] = given.f(x[Place][j]...);
      store(given.y + i, y, given.accumulate);
    });
  }
};

/// Functions for `map`.
namespace function {

/// a + b.
struct add {
  SYSDPO_DEVICE float operator()(float a, float b) const { return a + b; }
};

/// a − b.
struct subtract {
  SYSDPO_DEVICE float operator()(float a, float b) const { return a - b; }
};

/// x, rounded to y's type.
struct copy {
  SYSDPO_DEVICE float operator()(float x) const { return x; }
};

/// factor·x.
struct scale {
  float factor;
  SYSDPO_DEVICE float operator()(float x) const { return factor * x; }
};

/// x·σ(x).
struct silu {
  SYSDPO_DEVICE float operator()(float x) const { return x * sigmoid(x); }
};

/// dx from x and dy, with s = σ(x): dy·s·(1 + x·(1 − s)).
struct silu_backward {
  SYSDPO_DEVICE float operator()(float x, float dy) const {
    float const s = sigmoid(x);
    return dy * s * (1 + x * (1 - s));
  }
};

/// decay·average + (1 − decay)·x: an average that has arrived at x stays there.
struct moving_average {
  float rest;  ///< 1 − decay, which float holds better than a decay near 1
  SYSDPO_DEVICE float operator()(float average, float x) const {
    return std::fma(rest, x - average, average);
  }
};

}  // namespace function

}  // namespace sysdpo::kernel
