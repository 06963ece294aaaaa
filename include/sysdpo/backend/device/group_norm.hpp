// Group normalisation of images by kernels, with silu folded in.
#pragma once

#include "sysdpo/backend/device/column_sums.hpp"
#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/group_norm.hpp"

namespace sysdpo {

struct group_norm_op;

template <kernel_backend Backend>
struct implement<group_norm_op, Backend> {
  template <class T>
  static void forward(array_view<T const> x, array_view<T const> gamma, array_view<T const> beta,
                      array_view<T> y, array_view<float> mean, array_view<float> scale, double epsilon,
                      bool silu) {
    if (y.size() == 0) return;
    auto layout = layout_of(x.extents, mean.extents[1], mean.data, scale.data);
    lines const made(layout);
    scratch_of<Backend, float> const sums(sum_count(layout));
    Backend::template launch<kernel::group_norm_sums<T>>(
        {.x = x.data, .layout = layout, .sums = sums.data()});
    Backend::template launch<kernel::group_norm_statistics<T>>({.x = x.data,
                                                                .gamma = gamma.data,
                                                                .beta = beta.data,
                                                                .layout = layout,
                                                                .sums = sums.data(),
                                                                .epsilon = static_cast<float>(epsilon)});
    Backend::template launch<kernel::group_norm<T>>(
        {.x = x.data, .layout = layout, .silu = silu, .y = y.data});
  }

  template <class T>
  static void backward(array_view<T const> x, array_view<T const> gamma, array_view<T const> beta,
                       array_view<float const> mean, array_view<float const> scale, array_view<T const> dy,
                       gradient_view<T> dx, gradient_view<T> dgamma, gradient_view<T> dbeta, bool silu) {
    auto layout =
        layout_of(x.extents, mean.extents[1], const_cast<float*>(mean.data), const_cast<float*>(scale.data));
    auto const channels = index_t{layout.images} * layout.channels;
    scratch_of<Backend, float> const image_sums(2 * channels);
    scratch_of<Backend, float> const tilts(channels);
    scratch_of<Backend, float> const offsets(channels);
    if (dy.size() > 0) {
      lines const made(layout);
      scratch_of<Backend, float> const sums(sum_count(layout));
      Backend::template launch<kernel::group_norm_lines<T>>(
          {.gamma = gamma.data, .beta = beta.data, .layout = layout});
      Backend::template launch<kernel::group_norm_backward_sums<T>>(
          {.x = x.data, .dy = dy.data, .layout = layout, .silu = silu, .sums = sums.data()});
      Backend::template launch<kernel::group_norm_backward_statistics<T>>({.gamma = gamma.data,
                                                                           .layout = layout,
                                                                           .sums = sums.data(),
                                                                           .image_sums = image_sums.data(),
                                                                           .tilts = tilts.data(),
                                                                           .offsets = offsets.data()});
      if (dx)
        Backend::template launch<kernel::group_norm_backward<T>>({.x = x.data,
                                                                  .dy = dy.data,
                                                                  .layout = layout,
                                                                  .silu = silu,
                                                                  .tilts = tilts.data(),
                                                                  .offsets = offsets.data(),
                                                                  .dx = dx.data,
                                                                  .accumulate = dx.accumulate});
    }
    auto const images = dy.size() > 0 ? layout.images : 0;
    device_detail::add_parts<Backend>(1, images, layout.channels, image_sums.data(), dgamma);
    device_detail::add_parts<Backend>(1, images, layout.channels, image_sums.data() + channels, dbeta);
  }

 private:
  static kernel::group_norm_layout layout_of(shape const& x, index_t groups, float* means, float* scales) {
    using device_detail::narrow;
    auto const images = narrow("group_norm", x[0]);
    auto const channels = narrow("group_norm", x[-1]);
    auto const pixels = narrow("group_norm", x.rows() / (images == 0 ? 1 : images));
    return {.images = images,
            .pixels = pixels,
            .channels = channels,
            .groups = narrow("group_norm", groups),
            .parts = device_detail::parts_of<Backend>(images * (1 + channels / 1024), pixels / 16),
            .means = means,
            .scales = scales,
            .slopes = nullptr,
            .shifts = nullptr};
  }
  static index_t sum_count(kernel::group_norm_layout const& layout) {
    return index_t{layout.images} * layout.parts * 2 * layout.channels;
  }

  /// Memory for the slope and shift of each channel of each image.
  struct lines {
    scratch_of<Backend, float> slopes, shifts;
    explicit lines(kernel::group_norm_layout& layout)
        : slopes(index_t{layout.images} * layout.channels), shifts(index_t{layout.images} * layout.channels) {
      layout.slopes = slopes.data();
      layout.shifts = shifts.data();
    }
  };
};

}  // namespace sysdpo
