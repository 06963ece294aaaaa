// Loops over the channels of an image in blocks of a few vector registers, so that what belongs to a channel
// (sums, slopes) stays in registers while the loop inside runs over the pixels.
#pragma once

#include <Eigen/Core>

#include "sysdpo/core/array_view.hpp"

namespace sysdpo::cpu_detail {

/// What a block is made of: vector registers, or single elements at the end of a row.
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
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i) lanes[i] = Eigen::internal::pset1<type>(value);
  }
  explicit channel_block(T const* from) {
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i) lanes[i] = Eigen::internal::ploadu<type>(from + i * lane_width);
  }
  void store(T* to) const {
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i) Eigen::internal::pstoreu(to + i * lane_width, lanes[i]);
  }

  friend channel_block operator+(channel_block a, channel_block const& b) {
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i) a.lanes[i] = Eigen::internal::padd(a.lanes[i], b.lanes[i]);
    return a;
  }
  friend channel_block operator-(channel_block a, channel_block const& b) {
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i) a.lanes[i] = Eigen::internal::psub(a.lanes[i], b.lanes[i]);
    return a;
  }
  friend channel_block operator*(channel_block a, channel_block const& b) {
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i) a.lanes[i] = Eigen::internal::pmul(a.lanes[i], b.lanes[i]);
    return a;
  }
  /// 1 / (1 + exp(−x))
  friend channel_block sigmoid(channel_block x) {
    using namespace Eigen::internal;
    auto const one = pset1<type>(T{1});
#pragma GCC unroll 4
    for (int i = 0; i < Count; ++i) x.lanes[i] = pdiv(one, padd(one, pexp(pnegate(x.lanes[i]))));
    return x;
  }
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
