// RMS and layer normalisation of rows: x, y [rows, width], gamma, beta [width], means, scales [rows]. With x̂
// = (x − mean)·scale: y = x̂·γ + β. RMS norm has no mean and no β, and scale = 1 / √(mean(x²) + ε); layer norm
// has scale = 1 / √(variance + ε). A row's sums are float, in a fixed order; it is read again rather than
// kept, from the cache. Bound by memory.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// Which of the two.
enum class norm { rms, layer };

namespace detail {

/// What a row's two sums are gathered in.
template <int Threads>
struct row_norm_sums {
  float sum_of_warp[Threads / warp_size];
  float product_of_warp[Threads / warp_size];
};

/// The sum over a row's threads, in each of them.
template <int RowThreads, class Block>
[[nodiscard]] SYSDPO_DEVICE float row_sum(Block& block, float x, float* scratch, int line = __builtin_LINE(),
                                          char const* file = __builtin_FILE()) {
  if constexpr (RowThreads == warp_size)
    return warp_sum(block, x);
  else
    return block_sum<RowThreads>(block, x, scratch, line, file);
}

/// The row that a thread works on.
template <int Threads, int RowThreads, class Block>
[[nodiscard]] SYSDPO_DEVICE index_t row_of(Block& block) {
  static_assert(RowThreads == Threads || RowThreads == warp_size);
  return block.index() * (Threads / RowThreads) + block.thread() / RowThreads;
}

}  // namespace detail

/// `RowThreads` a row: those of a block, or a warp, which needs no barrier, for narrow rows. y may be x. RMS
/// norm touches neither beta nor means.
template <norm Kind, class T, int RowThreads = 128>
struct row_norm {
  static constexpr int threads = 128;
  struct arguments {
    T const* x;
    T const* gamma;
    T const* beta;
    index_t rows;
    int width;
    float epsilon;
    T* y;
    float* means;
    float* scales;
  };
  using shared = detail::row_norm_sums<threads>;

  static index_t blocks(arguments const& given) { return ceil_divide(given.rows, threads / RowThreads); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    constexpr int n = pack_width<T>;
    int const size = given.width;
    auto const row = detail::row_of<threads, RowThreads>(block);
    if (row >= given.rows) return;  // none of its threads goes on
    int const thread = block.thread() % RowThreads;
    auto const* const x = given.x + row * size;
    auto* const y = given.y + row * size;
    int const packed = first_pack<n>(0, size, x, y);
    float mean = 0;
    if constexpr (Kind == norm::layer) {
      float sum = 0;
      sweep<RowThreads, n>(thread, 0, size, packed, [&](int i, auto count) {
        float a[count.value];
        load(a, x + i);
        for (int j = 0; j < count.value; ++j) sum += a[j];
      });
      mean = detail::row_sum<RowThreads>(block, sum, memory.sum_of_warp) / static_cast<float>(size);
    }
    float squares = 0;
    sweep<RowThreads, n>(thread, 0, size, packed, [&](int i, auto count) {
      float a[count.value];
      load(a, x + i);
      for (int j = 0; j < count.value; ++j) squares = std::fma(a[j] - mean, a[j] - mean, squares);
    });
    squares = detail::row_sum<RowThreads>(block, squares, memory.product_of_warp) / static_cast<float>(size);
    float const scale = fast_rsqrt(squares + given.epsilon);
    if (thread == 0) {
      given.scales[row] = scale;
      if constexpr (Kind == norm::layer) given.means[row] = mean;
    }
    // Gains follow the columns, whatever the row's address is.
    bool const gains_fit = first_pack<n>(packed, size, given.gamma) == packed &&
                           (Kind == norm::rms || first_pack<n>(packed, size, given.beta) == packed);
    sweep<RowThreads, n>(thread, 0, size, gains_fit ? packed : size, [&](int i, auto count) {
      float a[count.value];
      float gain[count.value];
      load(a, x + i);
      load(gain, given.gamma + i);
      for (int j = 0; j < count.value; ++j) a[j] = (a[j] - mean) * scale * gain[j];
      if constexpr (Kind == norm::layer) {
        load(gain, given.beta + i);
        for (int j = 0; j < count.value; ++j) a[j] += gain[j];
      }
      store(y + i, a);
    });
  }
};

/// With g = dy·γ: dx = scale·(g − mean(g) − x̂·mean(g·x̂)), without mean(g) for RMS norm; or += it.
/// `RowThreads` a row, as above. dx may be dy.
template <norm Kind, class T, int RowThreads = 128>
struct row_norm_backward {
  static constexpr int threads = 128;
  struct arguments {
    T const* x;
    T const* gamma;
    float const* means;
    float const* scales;
    T const* dy;
    index_t rows;
    int width;
    T* dx;
    bool accumulate;
  };
  using shared = detail::row_norm_sums<threads>;

  static index_t blocks(arguments const& given) { return ceil_divide(given.rows, threads / RowThreads); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    constexpr int n = pack_width<T>;
    int const size = given.width;
    auto const row = detail::row_of<threads, RowThreads>(block);
    if (row >= given.rows) return;  // none of its threads goes on
    int const thread = block.thread() % RowThreads;
    auto const start = row * size;
    auto const* const x = given.x + start;
    auto const* const dy = given.dy + start;
    auto* const dx = given.dx + start;
    int const packed = first_pack<n>(0, size, x, dy, dx, given.gamma);
    float const mean = Kind == norm::layer ? given.means[row] : 0;
    float const scale = given.scales[row];
    float sum = 0;
    float product = 0;
    sweep<RowThreads, n>(thread, 0, size, packed, [&](int i, auto count) {
      float a[count.value];
      float g[count.value];
      float gain[count.value];
      load(a, x + i);
      load(g, dy + i);
      load(gain, given.gamma + i);
      for (int j = 0; j < count.value; ++j) {
        g[j] *= gain[j];
        sum += g[j];
        product = std::fma(g[j], (a[j] - mean) * scale, product);
      }
    });
    if constexpr (Kind == norm::layer)
      sum = detail::row_sum<RowThreads>(block, sum, memory.sum_of_warp) / static_cast<float>(size);
    else
      sum = 0;
    product = detail::row_sum<RowThreads>(block, product, memory.product_of_warp) / static_cast<float>(size);
    sweep<RowThreads, n>(thread, 0, size, packed, [&](int i, auto count) {
      float a[count.value];
      float g[count.value];
      float gain[count.value];
      load(a, x + i);
      load(g, dy + i);
      load(gain, given.gamma + i);
      for (int j = 0; j < count.value; ++j)
        a[j] = scale * (g[j] * gain[j] - sum - (a[j] - mean) * scale * product);
      store(dx + i, a, given.accumulate);
    });
  }
};

/// Partial sums of the gains' gradients, sums [2, parts, width]: Σ dy·x̂ and Σ dy over each part's rows, in
/// order. column_sums_end makes gradients of them.
template <norm Kind, class T>
struct row_norm_gain_backward {
  static constexpr int threads = 128;
  struct arguments {
    T const* x;
    float const* means;
    float const* scales;
    T const* dy;
    index_t rows;
    int width;
    int parts;
    float* sums;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return index_t{given.parts} * column_blocks(given); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    int const columns = column_blocks(given);
    auto const part = block.index() / columns;
    int const begin = static_cast<int>(block.index() % columns) * span_of<threads, n>;
    int const end = given.width - begin < span_of<threads, n> ? given.width : begin + span_of<threads, n>;
    auto const share = ceil_divide(given.rows, given.parts);
    auto const first = part * share;
    auto const last = first + share < given.rows ? first + share : given.rows;
    bool const aligned = given.width % n == 0 && is_aligned<n>(given.x, 0) && is_aligned<n>(given.dy, 0);
    auto* const products = given.sums + part * given.width;
    auto* const sums = products + index_t{given.parts} * given.width;
    sweep<threads, n>(block.thread(), begin, end, aligned ? begin : end, [&](int i, auto count) {
      float product[count.value] = {};
      float sum[count.value] = {};
      for (auto row = first; row < last; ++row) {
        float a[count.value];
        float g[count.value];
        load(a, given.x + row * given.width + i);
        load(g, given.dy + row * given.width + i);
        float const mean = Kind == norm::layer ? given.means[row] : 0;
        float const scale = given.scales[row];
        for (int j = 0; j < count.value; ++j) {
          product[j] = std::fma(g[j], (a[j] - mean) * scale, product[j]);
          sum[j] += g[j];
        }
      }
      for (int j = 0; j < count.value; ++j) {
        products[i + j] = product[j];
        sums[i + j] = sum[j];
      }
    });
  }

 private:
  static SYSDPO_HOST_DEVICE int column_blocks(arguments const& given) {
    return ceil_divide(given.width, span_of<threads, pack_width<T>>);
  }
};

}  // namespace sysdpo::kernel
