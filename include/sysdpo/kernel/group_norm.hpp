// Group normalisation of images, with silu folded in: x, y [images, pixels, channels]; a group is channels /
// groups neighbouring channels. x̂ = (x − mean)·scale, scale = 1 / √(variance + ε), z = x̂·γ + β, y = silu(z)
// or z.
//
// Forward: group_norm_sums, group_norm_statistics, group_norm; backward: group_norm_lines where slopes and
// shifts were not kept, group_norm_backward_sums, group_norm_backward_statistics, group_norm_backward, and
// column_sums_end (kernel/column_sums.hpp) with a part an image for dγ and for dβ. Sums of a channel are
// float over `parts` shares of its pixels, the rest is double, all in a fixed order. Bound by memory: two
// sweeps over x forward, two over x and dy backward.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// Sizes of the images and what the kernels keep between them: [images, groups], and for each channel of each
/// image z = x·slope + shift.
struct group_norm_layout {
  int images, pixels, channels, groups;
  int parts;  ///< blocks that share an image's pixels
  float* means;
  float* scales;
  float* slopes;
  float* shifts;

  [[nodiscard]] SYSDPO_HOST_DEVICE index_t size() const { return index_t{images} * pixels * channels; }
  [[nodiscard]] SYSDPO_HOST_DEVICE int group_width() const { return channels / groups; }
};

namespace detail {

/// Two sums over pixels for each channel of each image and part: sums [images, parts, 2, channels]. Threads
/// stand side by side along the channels, a pack each, and share the pixels where there are fewer packs than
/// threads.
template <int Threads, int MaxPack>
struct channel_sums {
  struct shared {
    float first[Threads * MaxPack];
    float second[Threads * MaxPack];
  };

  static SYSDPO_HOST_DEVICE int column_blocks(int channels, int pack) {
    return ceil_divide(channels, Threads * pack);
  }

  static SYSDPO_HOST_DEVICE index_t blocks(group_norm_layout const& layout, bool in_packs) {
    return index_t{layout.images} * layout.parts * column_blocks(layout.channels, in_packs ? MaxPack : 1);
  }

  /// Adds a pixel's terms of N channels by visit(local, its place, a, b), where local = begin(image,
  /// channel).
  template <int N, class Block, class Begin, class Visit>
  static SYSDPO_DEVICE void run(Block& block, group_norm_layout const& layout, float* sums, shared& memory,
                                Begin&& begin, Visit&& visit) {
    int const column_count = column_blocks(layout.channels, N);
    int const first_channel = static_cast<int>(block.index() % column_count) * Threads * N;
    auto const share = block.index() / column_count;
    int const image = static_cast<int>(share / layout.parts);
    int const part = static_cast<int>(share % layout.parts);
    int const channels =
        layout.channels - first_channel < Threads * N ? layout.channels - first_channel : Threads * N;
    int const packs = channels / N;
    int const lanes = Threads / packs;
    int const lane = block.thread() / packs;
    int const channel = first_channel + block.thread() % packs * N;
    int const span = ceil_divide(layout.pixels, layout.parts);
    int const last = (part + 1) * span < layout.pixels ? (part + 1) * span : layout.pixels;
    float a[N] = {};
    float b[N] = {};
    if (lane < lanes) {
      auto const local = begin(image, channel);
      for (int pixel = part * span + lane; pixel < last; pixel += lanes)
        visit(local, (index_t{image} * layout.pixels + pixel) * layout.channels + channel, a, b);
    }
    for (int j = 0; j < N; ++j) {
      memory.first[block.thread() * N + j] = a[j];
      memory.second[block.thread() * N + j] = b[j];
    }
    block.sync();
    auto* const to = sums + share * 2 * layout.channels + first_channel;
    for (int i = block.thread(); i < channels; i += Threads) {
      float first = 0;
      float second = 0;
      for (int j = 0; j < lanes; ++j) {
        first += memory.first[j * channels + i];
        second += memory.second[j * channels + i];
      }
      to[i] = first;
      to[layout.channels + i] = second;
    }
  }
};

/// Of N channels from one on: numbers that stay the same over the pixels.
template <int N>
struct channel_numbers {
  float a[N], b[N], c[N], d[N];
};

/// A kernel of such sums: `Kernel` has in_packs(arguments) and run<N>(block, arguments, shared).
template <class Kernel, class T>
struct channel_sums_kernel {
  static constexpr int threads = 256;
  using sums_type = channel_sums<threads, pack_width<T>>;
  using shared = typename sums_type::shared;

  template <class Arguments>
  static index_t blocks(Arguments const& given) {
    return sums_type::blocks(given.layout, Kernel::in_packs(given));
  }

  template <class Block, class Arguments>
  SYSDPO_DEVICE void operator()(Block& block, Arguments const& given, shared& memory) const {
    if (Kernel::in_packs(given))
      Kernel::template run<pack_width<T>>(block, given, memory);
    else
      Kernel::template run<1>(block, given, memory);
  }
};

/// dy through the activation: u, for z = x·slope + shift.
SYSDPO_DEVICE inline float through_silu(bool silu, float dy, float z) {
  if (!silu) return dy;
  float const s = sigmoid(z);
  return dy * s * (1 + z * (1 - s));
}

}  // namespace detail

/// sums [images, parts, 2, channels]: Σ (x − x₀) and Σ (x − x₀)² over pixels, x₀ being the image's first
/// pixel; so a large mean costs the variance no digits.
template <class T>
struct group_norm_sums : detail::channel_sums_kernel<group_norm_sums<T>, T> {
  using base = detail::channel_sums_kernel<group_norm_sums, T>;
  struct arguments {
    T const* x;
    group_norm_layout layout;
    float* sums;
  };

  static SYSDPO_HOST_DEVICE bool in_packs(arguments const& given) {
    return given.layout.channels % pack_width<T> == 0 && is_aligned<pack_width<T>>(given.x, 0);
  }

  template <int N, class Block>
  static SYSDPO_DEVICE void run(Block& block, arguments const& given, typename base::shared& memory) {
    auto const& layout = given.layout;
    base::sums_type::template run<N>(
        block, layout, given.sums, memory,
        [&](int image, int channel) {
          detail::channel_numbers<N> local;
          load(local.a, given.x + index_t{image} * layout.pixels * layout.channels + channel);
          return local;
        },
        [&](detail::channel_numbers<N> const& local, index_t at, float(&first)[N], float(&second)[N]) {
          float x[N];
          load(x, given.x + at);
          for (int j = 0; j < N; ++j) {
            float const step = x[j] - local.a[j];
            first[j] += step;
            second[j] = std::fma(step, step, second[j]);
          }
        });
  }
};

namespace detail {

/// The slope and shift of a channel of an image.
template <class T>
SYSDPO_DEVICE void store_line(group_norm_layout const& layout, index_t image, int channel, float mean,
                              float scale, T const* gamma, T const* beta) {
  float const slope = to_float(gamma[channel]) * scale;
  layout.slopes[image * layout.channels + channel] = slope;
  layout.shifts[image * layout.channels + channel] = std::fma(-slope, mean, to_float(beta[channel]));
}

}  // namespace detail

/// Means and scales of groups, slopes and shifts of channels, from those sums. A warp has a group of an
/// image.
template <class T>
struct group_norm_statistics {
  static constexpr int threads = warp_size;
  struct arguments {
    T const* x;
    T const* gamma;
    T const* beta;
    group_norm_layout layout;
    float const* sums;
    float epsilon;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return index_t{given.layout.images} * given.layout.groups; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    auto const& layout = given.layout;
    auto const image = block.index() / layout.groups;
    int const first = static_cast<int>(block.index() % layout.groups) * layout.group_width();
    auto const pixels = static_cast<double>(layout.pixels);
    // The mean of a channel, and Σ (x − mean)².
    auto const channel_mean = [&](int channel, double& squares) {
      double sum = 0;
      squares = 0;
      for (int part = 0; part < layout.parts; ++part) {
        auto const* const sums = given.sums + (image * layout.parts + part) * 2 * layout.channels + channel;
        sum += static_cast<double>(sums[0]);
        squares += static_cast<double>(sums[layout.channels]);
      }
      squares -= sum * sum / pixels;
      return static_cast<double>(to_float(given.x[image * layout.pixels * layout.channels + channel])) +
             sum / pixels;
    };
    double mean = 0;
    double squares = 0;
    for (int i = block.thread(); i < layout.group_width(); i += threads)
      mean += channel_mean(first + i, squares);
    mean = warp_sum(block, mean) / layout.group_width();
    double total = 0;
    for (int i = block.thread(); i < layout.group_width(); i += threads) {
      double const apart = channel_mean(first + i, squares) - mean;
      total += squares + pixels * apart * apart;
    }
    auto const variance = static_cast<float>(warp_sum(block, total) / (pixels * layout.group_width()));
    float const scale = fast_rsqrt(larger(variance, 0) + given.epsilon);
    if (block.thread() == 0) {
      layout.means[block.index()] = static_cast<float>(mean);
      layout.scales[block.index()] = scale;
    }
    for (int i = block.thread(); i < layout.group_width(); i += threads)
      detail::store_line(layout, image, first + i, static_cast<float>(mean), scale, given.gamma, given.beta);
  }
};

/// Slopes and shifts anew, from means and scales that were kept.
template <class T>
struct group_norm_lines {
  static constexpr int threads = 128;
  struct arguments {
    T const* gamma;
    T const* beta;
    group_norm_layout layout;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) {
    return ceil_divide(index_t{given.layout.images} * given.layout.channels, threads);
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    auto const& layout = given.layout;
    auto const i = block.index() * threads + block.thread();
    if (i >= index_t{layout.images} * layout.channels) return;
    auto const image = i / layout.channels;
    int const channel = static_cast<int>(i % layout.channels);
    auto const group = image * layout.groups + channel / layout.group_width();
    detail::store_line(layout, image, channel, layout.means[group], layout.scales[group], given.gamma,
                       given.beta);
  }
};

/// y from x, slopes and shifts. y may be x.
template <class T>
struct group_norm {
  static constexpr int threads = 256;
  struct arguments {
    T const* x;
    group_norm_layout layout;
    bool silu;
    T* y;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) {
    return blocks_for<threads, pack_width<T>>(given.layout.size());
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    auto const& layout = given.layout;
    bool const aligned = layout.channels % n == 0 && is_aligned<n>(given.x, 0) && is_aligned<n>(given.y, 0) &&
                         is_aligned<n>(layout.slopes, 0) && is_aligned<n>(layout.shifts, 0);
    auto const image_size = index_t{layout.pixels} * layout.channels;
    sweep_span<threads, n>(block, layout.size(), aligned, [&](index_t i, auto size) {
      auto const channel = i / image_size * layout.channels + i % layout.channels;
      float x[size.value];
      float slope[size.value];
      float shift[size.value];
      load(x, given.x + i);
      load(slope, layout.slopes + channel);
      load(shift, layout.shifts + channel);
      for (int j = 0; j < size.value; ++j) {
        float const z = std::fma(x[j], slope[j], shift[j]);
        x[j] = given.silu ? z * sigmoid(z) : z;
      }
      store(given.y + i, x);
    });
  }
};

/// sums [images, parts, 2, channels]: Σ u·x̂ and Σ u over pixels, u being dy through the activation.
template <class T>
struct group_norm_backward_sums : detail::channel_sums_kernel<group_norm_backward_sums<T>, T> {
  using base = detail::channel_sums_kernel<group_norm_backward_sums, T>;
  struct arguments {
    T const* x;
    T const* dy;
    group_norm_layout layout;
    bool silu;
    float* sums;
  };

  static SYSDPO_HOST_DEVICE bool in_packs(arguments const& given) {
    constexpr int n = pack_width<T>;
    return given.layout.channels % n == 0 && is_aligned<n>(given.x, 0) && is_aligned<n>(given.dy, 0) &&
           is_aligned<n>(given.layout.slopes, 0) && is_aligned<n>(given.layout.shifts, 0);
  }

  template <int N, class Block>
  static SYSDPO_DEVICE void run(Block& block, arguments const& given, typename base::shared& memory) {
    auto const& layout = given.layout;
    base::sums_type::template run<N>(
        block, layout, given.sums, memory,
        [&](int image, int channel) {
          detail::channel_numbers<N> local;
          load(local.a, layout.slopes + index_t{image} * layout.channels + channel);
          load(local.b, layout.shifts + index_t{image} * layout.channels + channel);
          for (int j = 0; j < N; ++j) {
            auto const group = index_t{image} * layout.groups + (channel + j) / layout.group_width();
            local.c[j] = layout.means[group];
            local.d[j] = layout.scales[group];
          }
          return local;
        },
        [&](detail::channel_numbers<N> const& local, index_t at, float(&first)[N], float(&second)[N]) {
          float x[N];
          float u[N];
          load(x, given.x + at);
          load(u, given.dy + at);
          for (int j = 0; j < N; ++j) {
            u[j] = detail::through_silu(given.silu, u[j], std::fma(x[j], local.a[j], local.b[j]));
            first[j] = std::fma(u[j], (x[j] - local.c[j]) * local.d[j], first[j]);
            second[j] += u[j];
          }
        });
  }
};

/// From those sums: what dx needs of each channel, dx = u·slope + x·tilt + offset, tilts and offsets [images,
/// channels], and the sums over all pixels, image_sums [2, images, channels]. A warp has a group of an image.
template <class T>
struct group_norm_backward_statistics {
  static constexpr int threads = warp_size;
  struct arguments {
    T const* gamma;
    group_norm_layout layout;
    float const* sums;
    float* image_sums;
    float* tilts;
    float* offsets;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return index_t{given.layout.images} * given.layout.groups; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    auto const& layout = given.layout;
    auto const image = block.index() / layout.groups;
    int const first = static_cast<int>(block.index() % layout.groups) * layout.group_width();
    double product = 0;
    double sum = 0;
    for (int i = block.thread(); i < layout.group_width(); i += threads) {
      double channel[2] = {0, 0};
      for (int part = 0; part < layout.parts; ++part)
        for (int which = 0; which < 2; ++which)
          channel[which] += static_cast<double>(
              given.sums[((image * layout.parts + part) * 2 + which) * layout.channels + first + i]);
      for (int which = 0; which < 2; ++which)
        given.image_sums[(which * layout.images + image) * layout.channels + first + i] =
            static_cast<float>(channel[which]);
      auto const gain = static_cast<double>(to_float(given.gamma[first + i]));
      product += gain * channel[0];
      sum += gain * channel[1];
    }
    auto const members = static_cast<double>(layout.pixels) * layout.group_width();
    product = warp_sum(block, product) / members;
    sum = warp_sum(block, sum) / members;
    auto const mean = static_cast<double>(layout.means[block.index()]);
    auto const scale = static_cast<double>(layout.scales[block.index()]);
    for (int i = block.thread(); i < layout.group_width(); i += threads) {
      given.tilts[image * layout.channels + first + i] = static_cast<float>(-scale * scale * product);
      given.offsets[image * layout.channels + first + i] =
          static_cast<float>(scale * (scale * mean * product - sum));
    }
  }
};

/// dx, or += it. dx may be dy.
template <class T>
struct group_norm_backward {
  static constexpr int threads = 256;
  struct arguments {
    T const* x;
    T const* dy;
    group_norm_layout layout;
    bool silu;
    float const* tilts;
    float const* offsets;
    T* dx;
    bool accumulate;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) {
    return blocks_for<threads, pack_width<T>>(given.layout.size());
  }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    auto const& layout = given.layout;
    bool const aligned = layout.channels % n == 0 && is_aligned<n>(given.x, 0) &&
                         is_aligned<n>(given.dy, 0) && is_aligned<n>(given.dx, 0) &&
                         is_aligned<n>(layout.slopes, 0) && is_aligned<n>(layout.shifts, 0) &&
                         is_aligned<n>(given.tilts, 0) && is_aligned<n>(given.offsets, 0);
    auto const image_size = index_t{layout.pixels} * layout.channels;
    sweep_span<threads, n>(block, layout.size(), aligned, [&](index_t i, auto size) {
      auto const channel = i / image_size * layout.channels + i % layout.channels;
      float x[size.value];
      float u[size.value];
      float slope[size.value];
      float shift[size.value];
      float tilt[size.value];
      load(x, given.x + i);
      load(u, given.dy + i);
      load(slope, layout.slopes + channel);
      load(shift, layout.shifts + channel);
      load(tilt, given.tilts + channel);
      for (int j = 0; j < size.value; ++j)
        u[j] = detail::through_silu(given.silu, u[j], std::fma(x[j], slope[j], shift[j]));
      load(shift, given.offsets + channel);
      for (int j = 0; j < size.value; ++j) u[j] = std::fma(u[j], slope[j], std::fma(x[j], tilt[j], shift[j]));
      store(given.dx + i, u, given.accumulate);
    });
  }
};

}  // namespace sysdpo::kernel
