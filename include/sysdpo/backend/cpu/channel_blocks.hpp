// Loops over the channels of an image in blocks of a few vector registers, so that what belongs to a channel
// (sums, slopes) stays in registers while the loop inside runs over the pixels.
#pragma once

#include <Eigen/Core>
#include <type_traits>

#include "sysdpo/core/array_view.hpp"
#include "sysdpo/core/config.hpp"

namespace sysdpo::cpu_detail {

/// What a block is made of: vector registers, or single elements at the end of a row, and everywhere under
/// nvcc, for which Eigen knows no registers.
enum class lane { packet, element };

template <class T, lane Lane>
struct lane_type {
  using type = typename Eigen::internal::packet_traits<T>::type;
};
template <class T>
struct lane_type<T, lane::element> {
  using type = T;
};

/// `Count` neighbouring lanes with elementwise arithmetic.
template <class T, lane Lane, int Count>
struct channel_block {
  using type = typename lane_type<T, Lane>::type;
  static constexpr index_t lane_width = sizeof(type) / sizeof(T);
  static constexpr index_t width = Count * lane_width;

  type lanes[Count];

  /// Every element `value`.
  explicit channel_block(T value) {
    SYSDPO_UNROLL_ON_CPU(4)
    for (int i = 0; i < Count; ++i) lanes[i] = Eigen::internal::pset1<type>(value);
  }
  explicit channel_block(T const* from) {
    SYSDPO_UNROLL_ON_CPU(4)
    for (int i = 0; i < Count; ++i) lanes[i] = Eigen::internal::ploadu<type>(from + i * lane_width);
  }
  void store(T* to) const {
    SYSDPO_UNROLL_ON_CPU(4)
    for (int i = 0; i < Count; ++i) Eigen::internal::pstoreu(to + i * lane_width, lanes[i]);
  }

  friend channel_block operator+(channel_block a, channel_block const& b) {
    SYSDPO_UNROLL_ON_CPU(4)
    for (int i = 0; i < Count; ++i) a.lanes[i] = Eigen::internal::padd(a.lanes[i], b.lanes[i]);
    return a;
  }
  friend channel_block operator-(channel_block a, channel_block const& b) {
    SYSDPO_UNROLL_ON_CPU(4)
    for (int i = 0; i < Count; ++i) a.lanes[i] = Eigen::internal::psub(a.lanes[i], b.lanes[i]);
    return a;
  }
  friend channel_block operator*(channel_block a, channel_block const& b) {
    SYSDPO_UNROLL_ON_CPU(4)
    for (int i = 0; i < Count; ++i) a.lanes[i] = Eigen::internal::pmul(a.lanes[i], b.lanes[i]);
    return a;
  }
  /// a·b + c in one rounding, where the machine can.
  friend channel_block fma(channel_block a, channel_block const& b, channel_block const& c) {
    SYSDPO_UNROLL_ON_CPU(4)
    for (int i = 0; i < Count; ++i) a.lanes[i] = Eigen::internal::pmadd(a.lanes[i], b.lanes[i], c.lanes[i]);
    return a;
  }
  /// 1 / (1 + exp(−x))
  friend channel_block sigmoid(channel_block x) {
    using namespace Eigen::internal;
    auto const one = pset1<type>(T{1});
    SYSDPO_UNROLL_ON_CPU(4)
    for (int i = 0; i < Count; ++i) x.lanes[i] = pdiv(one, padd(one, exp_of_negative(x.lanes[i])));
    return x;
  }

 private:
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"  // of packets as template arguments: none that matter
  /// exp(−x). For registers of floats by 2^n·2^f with |f| ≤ 1/2: the series of 2^f up to f⁶ is right to 1e-7,
  /// and n comes out of the bits of a sum too large for fractions. Half the work of Eigen's, which is also
  /// right where results underflow; here x is kept within ±87.
  static type exp_of_negative(type x) {
    using namespace Eigen::internal;
    if constexpr (std::is_same_v<T, float> && !std::is_same_v<type, T>) {
      auto const all = [](float value) { return pset1<type>(value); };
      constexpr float shifter = 0x1.8p23F + 127;
      auto const power = pmul(pmin(pmax(x, all(-87)), all(87)), all(-1.44269504F));
      auto const shifted = padd(power, all(shifter));
      auto const f = psub(power, psub(shifted, all(shifter)));
      auto sum = pmadd(f, all(1.54035304e-4F), all(1.33335581e-3F));
      for (auto const coefficient : {9.61812911e-3F, 5.55041087e-2F, 0.240226507F, 0.693147181F, 1.0F})
        sum = pmadd(f, sum, all(coefficient));
      using integers = typename unpacket_traits<type>::integer_packet;
      return pmul(sum, preinterpret<type>(plogical_shift_left<23>(preinterpret<integers>(shifted))));
    } else {
      return pexp(pnegate(x));
    }
  }
#pragma GCC diagnostic pop
};

/// Calls body.template operator()<Block>(first) for blocks that cover [0, channels).
template <class T, class Body>
void for_each_channel_block(index_t channels, Body&& body) {
  index_t first = 0;
  auto const visit = [&]<class Block>() {
    for (; first + Block::width <= channels; first += Block::width) body.template operator()<Block>(first);
  };
  visit.template operator()<channel_block<T, lane::packet, 4>>();
  visit.template operator()<channel_block<T, lane::packet, 2>>();
  visit.template operator()<channel_block<T, lane::packet, 1>>();
  visit.template operator()<channel_block<T, lane::element, 1>>();
}

}  // namespace sysdpo::cpu_detail
