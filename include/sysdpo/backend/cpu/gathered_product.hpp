// The inner loops of convolution: matrix products whose left operand is read in place, through a list of
// places, with no im2col copy. An output row p (a pixel) and a tap t see `depth` neighbouring elements of the
// source, source[places[p] + taps[t] + c].
//
// A tile of rows × packets of outputs stays in registers over the whole sum. Sums run in a fixed order. Loops
// over the tile are unrolled by name: g++ otherwise sends the tile through memory between taps.
#pragma once

#include <Eigen/Core>
#include <span>

#include "sysdpo/backend/cpu/parallel.hpp"
#include "sysdpo/core/config.hpp"

namespace sysdpo::cpu_detail {

/// Elements of T in a vector register.
template <class T>
inline constexpr index_t packet_width = Eigen::internal::packet_traits<T>::size;

template <class T>
[[nodiscard]] constexpr index_t round_up_to_packet(index_t count) {
  return (count + packet_width<T> - 1) / packet_width<T> * packet_width<T>;
}

/// Rows of a tile that fill the registers together with `Packets` packets a row.
template <int Packets>
inline constexpr int tile_rows = Packets == 1   ? 8
                                 : Packets == 2 ? 6
                                                : 4;

/// Calls body.template operator()<Packets>(first output) for each panel of `outputs` columns, a panel being
/// one to three packets wide. The cut depends on `outputs` alone.
template <class T, class Body>
void for_each_panel(index_t outputs, Body&& body) {
  index_t first = 0;
  auto left = round_up_to_packet<T>(outputs) / packet_width<T>;
  if (left == 1) {
    body.template operator()<1>(first);
    return;
  }
  if (left % 2 == 1) {
    body.template operator()<3>(first);
    first += 3 * packet_width<T>;
    left -= 3;
  }
  for (; left > 0; left -= 2, first += 2 * packet_width<T>) body.template operator()<2>(first);
}

/// Elements of the packed right operand of `gathered_product`: bias and weights.
template <class T>
[[nodiscard]] constexpr index_t packed_size(index_t taps, index_t depth, index_t outputs) {
  return (1 + taps * depth) * round_up_to_packet<T>(outputs);
}

/// Calls visit(place, tap, c, output) for every weight, with its place in the packed operand.
template <class T, class Visit>
void for_each_packed_weight(index_t taps, index_t depth, index_t outputs, Visit const& visit) {
  for_each_panel<T>(outputs, [&]<int Packets>(index_t first) {
    constexpr index_t width = Packets * packet_width<T>;
    auto const present = std::min(width, outputs - first);
    auto row = first * (1 + taps * depth) + width;
    for (index_t t = 0; t < taps; ++t)
      for (index_t c = 0; c < depth; ++c, row += width)
        for (index_t j = 0; j < present; ++j) visit(row + j, t, c, first + j);
  });
}

/// Packs bias (may be null) and weight(tap, c, output) into panels: a row of biases, then one row a tap and
/// c; outputs beyond the last are zero.
template <class T, class Weight>
void pack_panels(index_t taps, index_t depth, index_t outputs, T const* bias, Weight const& weight,
                 T* packed) {
  std::fill_n(packed, packed_size<T>(taps, depth, outputs), T{0});
  if (bias != nullptr)
    for_each_panel<T>(outputs, [&]<int Packets>(index_t first) {
      std::copy_n(bias + first, std::min(Packets * packet_width<T>, outputs - first),
                  packed + first * (1 + taps * depth));
    });
  for_each_packed_weight<T>(taps, depth, outputs, [&](index_t place, index_t t, index_t c, index_t output) {
    packed[place] = weight(t, c, output);
  });
}

/// What one call of `gathered_product` works on.
template <class T>
struct gathered_rows {
  T const* source;
  T* destination;
  std::span<index_t const> places;   ///< of each row in `source`
  std::span<index_t const> results;  ///< of each row in `destination`
  std::span<index_t const> taps;     ///< offsets from a row's place
  index_t depth;
  index_t outputs;
  T const* packed;  ///< from `pack_panels`
  bool accumulate;
};

template <int Rows, int Packets, class T>
inline void gathered_tile(gathered_rows<T> const& call, index_t row, index_t first) {
  using packet = typename Eigen::internal::packet_traits<T>::type;
  using namespace Eigen::internal;
  constexpr index_t width = Packets * packet_width<T>;
  auto const depth = call.depth;
  auto const* weights = call.packed + first * (1 + static_cast<index_t>(call.taps.size()) * depth);
  auto const* const places = call.places.data() + row;

  packet sum[Rows][Packets];
  SYSDPO_UNROLL_ON_CPU(8)
  for (int r = 0; r < Rows; ++r) {
    SYSDPO_UNROLL_ON_CPU(8)
    for (int p = 0; p < Packets; ++p) sum[r][p] = ploadu<packet>(weights + p * packet_width<T>);
  }
  weights += width;
  for (auto const tap : call.taps) {
    T const* rows[Rows];
    SYSDPO_UNROLL_ON_CPU(8)
    for (int r = 0; r < Rows; ++r) rows[r] = call.source + places[r] + tap;
    for (index_t c = 0; c < depth; ++c, weights += width) {
      packet right[Packets];
      SYSDPO_UNROLL_ON_CPU(8)
      for (int p = 0; p < Packets; ++p) right[p] = ploadu<packet>(weights + p * packet_width<T>);
      SYSDPO_UNROLL_ON_CPU(8)
      for (int r = 0; r < Rows; ++r) {
        auto const left = pset1<packet>(rows[r][c]);
        SYSDPO_UNROLL_ON_CPU(8)
        for (int p = 0; p < Packets; ++p) sum[r][p] = pmadd(left, right[p], sum[r][p]);
      }
    }
  }

  auto const columns = std::min(width, call.outputs - first);
  auto const* const results = call.results.data() + row;
  auto* const destination = call.destination + first;
  if (columns == width) {
    SYSDPO_UNROLL_ON_CPU(8)
    for (int r = 0; r < Rows; ++r) {
      SYSDPO_UNROLL_ON_CPU(8)
      for (int p = 0; p < Packets; ++p) {
        auto* const to = destination + results[r] + p * packet_width<T>;
        pstoreu(to, call.accumulate ? padd(ploadu<packet>(to), sum[r][p]) : sum[r][p]);
      }
    }
    return;
  }
  T values[Rows * width];
  SYSDPO_UNROLL_ON_CPU(8)
  for (int r = 0; r < Rows; ++r) {
    SYSDPO_UNROLL_ON_CPU(8)
    for (int p = 0; p < Packets; ++p) pstoreu(values + r * width + p * packet_width<T>, sum[r][p]);
  }
  for (index_t r = 0; r < Rows; ++r)
    for (index_t j = 0; j < columns; ++j) {
      auto& to = destination[results[r] + j];
      to = (call.accumulate ? to : T{0}) + values[r * width + j];
    }
}

template <int Rows, int Packets, class T>
void gathered_panel(gathered_rows<T> const& call, index_t row, index_t first) {
  auto const count = static_cast<index_t>(call.places.size());
  for (; row + Rows <= count; row += Rows) gathered_tile<Rows, Packets>(call, row, first);
  if constexpr (Rows > 1) gathered_panel<Rows - 1, Packets>(call, row, first);
}

/// destination[results[p] + o] = bias[o] + Σ_t Σ_c source[places[p] + taps[t] + c] · weight(t, c, o), or +=.
template <class T>
void gathered_product(gathered_rows<T> const& call) {
  for_each_panel<T>(call.outputs, [&]<int Packets>(index_t first) {
    gathered_panel<tile_rows<Packets>, Packets>(call, 0, first);
  });
}

/// What one call of `gathered_outer` works on. `upstream` has one row a place, `columns` elements (a multiple
/// of the packet width) apart.
template <class T>
struct gathered_terms {
  T const* source;
  T const* upstream;
  std::span<index_t const> places;
  std::span<index_t const> taps;
  index_t depth;
  index_t columns;
  T* sums;  ///< [taps, depth, columns]
};

template <int Rows, int Packets, class T>
inline void gathered_outer_tile(gathered_terms<T> const& call, T const* source, T const* upstream, T* sums) {
  using packet = typename Eigen::internal::packet_traits<T>::type;
  using namespace Eigen::internal;
  packet sum[Rows][Packets];
  for (int r = 0; r < Rows; ++r)
    for (int p = 0; p < Packets; ++p)
      sum[r][p] = ploadu<packet>(sums + r * call.columns + p * packet_width<T>);
  for (auto const place : call.places) {
    packet right[Packets];
    for (int p = 0; p < Packets; ++p) right[p] = ploadu<packet>(upstream + p * packet_width<T>);
    for (int r = 0; r < Rows; ++r) {
      auto const left = pset1<packet>(source[place + r]);
      for (int p = 0; p < Packets; ++p) sum[r][p] = pmadd(left, right[p], sum[r][p]);
    }
    upstream += call.columns;
  }
  for (int r = 0; r < Rows; ++r)
    for (int p = 0; p < Packets; ++p) pstoreu(sums + r * call.columns + p * packet_width<T>, sum[r][p]);
}

template <int Rows, int Packets, class T>
void gathered_outer_panel(gathered_terms<T> const& call, index_t tap, index_t c, index_t first) {
  auto const offset = call.taps[static_cast<std::size_t>(tap)];
  for (; c + Rows <= call.depth; c += Rows)
    gathered_outer_tile<Rows, Packets>(call, call.source + offset + c, call.upstream + first,
                                       call.sums + (tap * call.depth + c) * call.columns + first);
  if constexpr (Rows > 1) gathered_outer_panel<Rows - 1, Packets>(call, tap, c, first);
}

/// sums[t, c, o] += Σ_p source[places[p] + taps[t] + c] · upstream[p, o]: the gradient of the weights.
template <class T>
void gathered_outer(gathered_terms<T> const& call) {
  // As many rows at a time as stay in the first-level cache, which all tiles read again and again.
  constexpr std::size_t cached_bytes = 24 << 10;
  auto const row_bytes = static_cast<std::size_t>(call.depth + call.columns) * sizeof(T);
  auto const most = std::max<std::size_t>(32, cached_bytes / row_bytes);
  for (std::size_t begin = 0; begin < call.places.size(); begin += most) {
    auto part = call;
    part.places = call.places.subspan(begin, std::min(most, call.places.size() - begin));
    part.upstream += static_cast<index_t>(begin) * call.columns;
    for_each_panel<T>(call.columns, [&]<int Packets>(index_t first) {
      for (index_t tap = 0; tap < static_cast<index_t>(call.taps.size()); ++tap)
        gathered_outer_panel<tile_rows<Packets>, Packets>(part, tap, 0, first);
    });
  }
}

}  // namespace sysdpo::cpu_detail
