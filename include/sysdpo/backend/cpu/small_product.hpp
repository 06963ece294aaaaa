// Matrix products too small to be worth packing, as attention has for short sequences and narrow heads: the
// right operand's rows are read where they lie, tiles of the result stay in registers over the whole sum.
// Sums run in a fixed order.
#pragma once

#include "sysdpo/backend/cpu/gathered_product.hpp"

namespace sysdpo::cpu_detail {

/// An operand read element by element: (row, column) lies at data[row · row_step + column · column_step].
template <class T>
struct strided_operand {
  T const* data;
  index_t row_step;
  index_t column_step;
};

/// An operand read by rows, and a result: row i starts at data + i · stride.
template <class T>
struct row_operand {
  T* data;
  index_t stride;
};

template <int Rows, int Packets, class T>
inline void small_tile(strided_operand<T> const& a, index_t depth, row_operand<T const> const& b,
                       row_operand<T> const& c, bool accumulate) {
  using packet = typename Eigen::internal::packet_traits<T>::type;
  using namespace Eigen::internal;
  packet sum[Rows][Packets];
  for (int r = 0; r < Rows; ++r)
    for (int p = 0; p < Packets; ++p)
      sum[r][p] =
          accumulate ? ploadu<packet>(c.data + r * c.stride + p * packet_width<T>) : pset1<packet>(T{0});
  for (index_t k = 0; k < depth; ++k) {
    packet right[Packets];
    for (int p = 0; p < Packets; ++p) right[p] = ploadu<packet>(b.data + k * b.stride + p * packet_width<T>);
    for (int r = 0; r < Rows; ++r) {
      auto const left = pset1<packet>(a.data[r * a.row_step + k * a.column_step]);
      for (int p = 0; p < Packets; ++p) sum[r][p] = pmadd(left, right[p], sum[r][p]);
    }
  }
  for (int r = 0; r < Rows; ++r)
    for (int p = 0; p < Packets; ++p) pstoreu(c.data + r * c.stride + p * packet_width<T>, sum[r][p]);
}

template <int Rows, int Packets, class T>
void small_rows(index_t rows, strided_operand<T> a, index_t depth, row_operand<T const> const& b,
                row_operand<T> c, bool accumulate) {
  for (; rows >= Rows; rows -= Rows) {
    small_tile<Rows, Packets>(a, depth, b, c, accumulate);
    a.data += Rows * a.row_step;
    c.data += Rows * c.stride;
  }
  if constexpr (Rows > 1) small_rows<Rows - 1, Packets>(rows, a, depth, b, c, accumulate);
}

/// c = a·b or c += a·b: a is rows × depth, b depth × columns. `columns` is a multiple of the packet width. On
/// one thread.
template <class T>
void small_product(index_t rows, index_t depth, index_t columns, strided_operand<T> const& a,
                   row_operand<T const> const& b, row_operand<T> const& c, bool accumulate) {
  for_each_panel<T>(columns, [&]<int Packets>(index_t first) {
    small_rows<tile_rows<Packets>, Packets, T>(rows, a, depth, {b.data + first, b.stride},
                                               {c.data + first, c.stride}, accumulate);
  });
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \
    "-Wignored-attributes"  // of packets as template arguments: none that matter here
/// to = fromᵀ: from is rows × columns, `columns` a multiple of the packet width. What lies beyond the last
/// row in `to` stays.
template <class T>
void transpose_rows(index_t rows, index_t columns, row_operand<T const> const& from,
                    row_operand<T> const& to) {
  using packet = typename Eigen::internal::packet_traits<T>::type;
  constexpr auto width = packet_width<T>;
  index_t row = 0;
  for (; row + width <= rows; row += width)
    for (index_t column = 0; column < columns; column += width) {
      Eigen::internal::PacketBlock<packet, static_cast<int>(width)> block;
      for (index_t i = 0; i < width; ++i)
        block.packet[i] = Eigen::internal::ploadu<packet>(from.data + (row + i) * from.stride + column);
      Eigen::internal::ptranspose(block);
      for (index_t i = 0; i < width; ++i)
        Eigen::internal::pstoreu(to.data + (column + i) * to.stride + row, block.packet[i]);
    }
  for (; row < rows; ++row)
    for (index_t column = 0; column < columns; ++column)
      to.data[column * to.stride + row] = from.data[row * from.stride + column];
}
#pragma GCC diagnostic pop

}  // namespace sysdpo::cpu_detail
