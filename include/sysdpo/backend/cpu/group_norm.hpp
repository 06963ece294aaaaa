// Group normalisation on the CPU, with silu folded in. x, y [N, ..., C], gamma, beta [C], mean and scale = 1
// / sqrt(variance + ε) [N, groups]; nothing aliases. The threads share the images.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/scratch.hpp"
#include "sysdpo/backend/cpu/silu.hpp"

namespace sysdpo {

struct group_norm_op;

template <>
struct implement<group_norm_op, cpu> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> gamma, array_view<T const> beta,
                      array_view<T> y, array_view<T> mean, array_view<T> scale, double epsilon, bool silu) {
    using namespace cpu_detail;
    sizes const size(x.extents, mean.extents[1]);
    parallel_for(size.images, size.grain(), [&](index_t begin, index_t end) {
      scratch<T> const work(3 * size.channels);
      array_map<T> sum(work.data(), size.channels);
      array_map<T> slope(work.data() + size.channels, size.channels);
      array_map<T> shift(work.data() + 2 * size.channels, size.channels);
      for (auto n = begin; n < end; ++n) {
        auto const* const image = x.data + n * size.pixels * size.channels;
        auto const pixel = [&](index_t p) {
          return const_array_map<T>(image + p * size.channels, size.channels);
        };
        auto* const image_mean = mean.data + n * size.groups;
        auto* const image_scale = scale.data + n * size.groups;

        sum.setZero();
        for (index_t p = 0; p < size.pixels; ++p) sum += pixel(p);
        for (index_t g = 0; g < size.groups; ++g) {
          image_mean[g] = sum.segment(g * size.width, size.width).sum() / static_cast<T>(size.members());
          shift.segment(g * size.width, size.width) = image_mean[g];
        }
        sum.setZero();
        for (index_t p = 0; p < size.pixels; ++p) sum += (pixel(p) - shift).square();
        for (index_t g = 0; g < size.groups; ++g) {
          auto const variance =
              sum.segment(g * size.width, size.width).sum() / static_cast<T>(size.members());
          image_scale[g] = T{1} / std::sqrt(variance + static_cast<T>(epsilon));
        }

        affine_map(size, gamma, beta, image_mean, image_scale, slope, shift);
        auto* const out = y.data + n * size.pixels * size.channels;
        for (index_t p = 0; p < size.pixels; ++p)
          array_map<T>(out + p * size.channels, size.channels) = pixel(p) * slope + shift;
        if (silu) {
          array_map<T> all(out, size.pixels * size.channels);
          all = cpu_detail::silu(all);
        }
      }
    });
  }

  /// With u the gradient at the normalised, scaled value (through the activation) and x̂ = (x − mean)·scale:
  /// dγ = Σ u·x̂, dβ = Σ u, dx = scale · (γ·u − ⟨γ·u⟩ − x̂·⟨γ·u·x̂⟩), ⟨·⟩ being the mean over the group.
  template <class T>
  static void backward(array_view<T const> x, array_view<T const> gamma, array_view<T const> beta,
                       array_view<T const> mean, array_view<T const> scale, array_view<T const> dy,
                       gradient_view<T> dx, gradient_view<T> dgamma, gradient_view<T> dbeta, bool silu) {
    using namespace cpu_detail;
    sizes const size(x.extents, mean.extents[1]);
    auto const channels = size.channels;
    scratch<T> const sums(2 * std::max<index_t>(size.images, 1) *
                          channels);  // Σ u·(x − mean) and Σ u of each image
    parallel_for(size.images, size.grain(), [&](index_t begin, index_t end) {
      scratch<T> const work((3 + size.pixels) * channels);
      array_map<T> slope(work.data(), channels);
      array_map<T> shift(work.data() + channels, channels);
      array_map<T> centre(work.data() + 2 * channels, channels);
      auto* const inner = work.data() + 3 * channels;
      for (auto n = begin; n < end; ++n) {
        auto const first = n * size.pixels * channels;
        auto const* const image_mean = mean.data + n * size.groups;
        auto const* const image_scale = scale.data + n * size.groups;
        auto const pixel = [&](index_t p) {
          return const_array_map<T>(x.data + first + p * channels, channels);
        };

        auto const* upstream = dy.data + first;
        if (silu) {
          affine_map(size, gamma, beta, image_mean, image_scale, slope, shift);
          for (index_t p = 0; p < size.pixels; ++p)
            array_map<T>(inner + p * channels, channels) = pixel(p) * slope + shift;
          for (index_t at = 0; at < size.pixels * channels; at += tile_elements) {
            auto const count = std::min(tile_elements, size.pixels * channels - at);
            array_map<T> value(inner + at, count);
            tile_array<T> const sigmoid = (T{1} + (-value).exp()).inverse();
            value = const_array_map<T>(upstream + at, count) * silu_slope(value, sigmoid);
          }
          upstream = inner;
        }
        auto const u = [&](index_t p) { return const_array_map<T>(upstream + p * channels, channels); };

        for (index_t c = 0; c < channels; ++c) centre[c] = image_mean[c / size.width];
        array_map<T> product_sum(sums.data() + 2 * n * channels, channels);
        array_map<T> sum(sums.data() + (2 * n + 1) * channels, channels);
        product_sum.setZero();
        sum.setZero();
        for (index_t p = 0; p < size.pixels; ++p) {
          sum += u(p);
          product_sum += u(p) * (pixel(p) - centre);
        }
        for (index_t c = 0; c < channels; ++c) product_sum[c] *= image_scale[c / size.width];
        if (!dx) continue;

        // dx = u·slope + x·tilt + shift
        auto& tilt = centre;
        const_array_map<T> const weights(gamma.data, channels);
        for (index_t g = 0; g < size.groups; ++g) {
          auto const part = [&](auto const& array) { return array.segment(g * size.width, size.width); };
          auto const members = static_cast<T>(size.members());
          auto const mean_u = (part(weights) * part(sum)).sum() / members;
          auto const mean_product = (part(weights) * part(product_sum)).sum() / members;
          slope.segment(g * size.width, size.width) = part(weights) * image_scale[g];
          tilt.segment(g * size.width, size.width) = -image_scale[g] * image_scale[g] * mean_product;
          shift.segment(g * size.width, size.width) =
              image_scale[g] * (image_scale[g] * image_mean[g] * mean_product - mean_u);
        }
        for (index_t p = 0; p < size.pixels; ++p)
          store(array_map<T>(dx.data + first + p * channels, channels), dx.accumulate,
                u(p) * slope + pixel(p) * tilt + shift);
      }
    });

    auto const reduce = [&](gradient_view<T> to, index_t offset) {
      if (!to) return;
      array_map<T> total(to.data, channels);
      if (!to.accumulate) total.setZero();
      for (index_t n = 0; n < size.images; ++n)
        total += const_array_map<T>(sums.data() + 2 * n * channels + offset, channels);
    };
    reduce(dgamma, 0);
    reduce(dbeta, channels);
  }

 private:
  struct sizes {
    index_t images, channels, groups, pixels, width;

    sizes(shape const& x, index_t group_count)
        : images(x[0]),
          channels(x[-1]),
          groups(group_count),
          pixels(x.size() / std::max<index_t>(images * channels, 1)),
          width(channels / groups) {}

    [[nodiscard]] index_t members() const { return pixels * width; }
    [[nodiscard]] index_t grain() const {
      return 1 + cpu_detail::elementwise_grain / (pixels * channels + 1);
    }
  };

  /// Normalisation, γ and β as one map x·slope + shift a channel.
  template <class T>
  static void affine_map(sizes const& size, array_view<T const> gamma, array_view<T const> beta,
                         T const* mean, T const* scale, cpu_detail::array_map<T>& slope,
                         cpu_detail::array_map<T>& shift) {
    for (index_t c = 0; c < size.channels; ++c) {
      slope[c] = gamma[c] * scale[c / size.width];
      shift[c] = beta[c] - slope[c] * mean[c / size.width];
    }
  }
};

}  // namespace sysdpo
