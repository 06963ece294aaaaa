// Group normalisation on the CPU, with silu folded in. x, y [N, ..., C], gamma, beta [C], mean and scale = 1
// / sqrt(variance + ε) [N, groups]; nothing aliases. The threads share the images.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/channel_blocks.hpp"
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
        auto* const image_mean = mean.data + n * size.groups;
        auto* const image_scale = scale.data + n * size.groups;

        for_each_channel_block<T>(size.channels, [&]<class Block>(index_t first) {
          Block total(T{0});
          for (auto at = first; at < size.elements(); at += size.channels) total = total + Block(image + at);
          total.store(sum.data() + first);
        });
        for (index_t g = 0; g < size.groups; ++g) {
          image_mean[g] = sum.segment(g * size.width, size.width).sum() / static_cast<T>(size.members());
          shift.segment(g * size.width, size.width) = image_mean[g];
        }
        for_each_channel_block<T>(size.channels, [&]<class Block>(index_t first) {
          Block const centre(shift.data() + first);
          Block total(T{0});
          for (auto at = first; at < size.elements(); at += size.channels) {
            auto const distance = Block(image + at) - centre;
            total = fma(distance, distance, total);
          }
          total.store(sum.data() + first);
        });
        for (index_t g = 0; g < size.groups; ++g) {
          auto const variance =
              sum.segment(g * size.width, size.width).sum() / static_cast<T>(size.members());
          image_scale[g] = T{1} / std::sqrt(variance + static_cast<T>(epsilon));
        }

        affine_map(size, gamma, beta, image_mean, image_scale, slope, shift);
        auto* const out = y.data + n * size.pixels * size.channels;
        for_each_channel_block<T>(size.channels, [&]<class Block>(index_t first) {
          Block const a(slope.data() + first);
          Block const b(shift.data() + first);
          for (auto at = first; at < size.elements(); at += size.channels) {
            auto const value = fma(Block(image + at), a, b);
            (silu ? value * sigmoid(value) : value).store(out + at);
          }
        });
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
        auto const* const image = x.data + n * size.pixels * channels;
        auto const* const upstream = dy.data + n * size.pixels * channels;
        auto const* const image_mean = mean.data + n * size.groups;
        auto const* const image_scale = scale.data + n * size.groups;
        array_map<T> product_sum(sums.data() + 2 * n * channels, channels);
        array_map<T> sum(sums.data() + (2 * n + 1) * channels, channels);

        affine_map(size, gamma, beta, image_mean, image_scale, slope, shift);
        for (index_t c = 0; c < channels; ++c) centre[c] = image_mean[c / size.width];
        for_each_channel_block<T>(channels, [&]<class Block>(index_t first) {
          Block const a(slope.data() + first), b(shift.data() + first), middle(centre.data() + first);
          Block const one(T{1});
          Block total(T{0}), product_total(T{0});
          for (auto at = first; at < size.elements(); at += channels) {
            Block const value(image + at);
            Block u(upstream + at);
            if (silu) {
              auto const activated = fma(value, a, b);
              auto const s = sigmoid(activated);
              u = u * s * fma(activated, one - s, one);
              u.store(inner + at);
            }
            total = total + u;
            product_total = fma(u, value - middle, product_total);
          }
          total.store(sum.data() + first);
          product_total.store(product_sum.data() + first);
        });
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
        auto const* const inner_upstream = silu ? inner : upstream;
        auto* const out = dx.data + n * size.pixels * channels;
        for_each_channel_block<T>(channels, [&]<class Block>(index_t first) {
          Block const a(slope.data() + first), b(shift.data() + first), c(tilt.data() + first);
          for (auto at = first; at < size.elements(); at += channels) {
            auto const value = fma(Block(inner_upstream + at), a, fma(Block(image + at), c, b));
            (dx.accumulate ? Block(out + at) + value : value).store(out + at);
          }
        });
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

    [[nodiscard]] index_t elements() const { return pixels * channels; }
    [[nodiscard]] index_t members() const { return std::max<index_t>(pixels * width, 1); }
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
