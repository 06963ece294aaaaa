// AdamW, the norms of gradients, their bound and moving averages by kernels: all weights of a model in one
// launch.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "sysdpo/backend/device/elementwise.hpp"
#include "sysdpo/kernel/adamw.hpp"
#include "sysdpo/kernel/gradient_clip.hpp"

namespace sysdpo {

struct adamw_op;
struct squared_norm_op;
struct gradient_scales_op;
struct moving_average_op;

template <kernel_backend Backend>
struct implement<adamw_op, Backend> {
  /// m ← β₁m + (1−β₁)·s·g, v ← β₂v + (1−β₂)(s·g)², w ← w(1 − rate·decay) − rate·(m/c₁) / (√(v/c₂) + ε); s is
  /// `gradient_factor`, times `gradient_scale` [1] where that is given; where it is NaN everything stays as
  /// it is. Weights of 16 bits are rounded at random, so that small steps are not lost.
  template <class Weight, class Step>
  static void forward(std::span<Weight const> weights, Step const& step) {
    using stored = std::remove_pointer_t<decltype(Weight::w.data)>;
    using gradient = std::remove_const_t<std::remove_pointer_t<decltype(Weight::g.data)>>;
    using kernel_type = kernel::adamw<stored, gradient>;
    std::vector<kernel::adamw_tensor<stored, gradient>> tensors;
    index_t blocks = 0;
    for (auto const& weight : weights) {
      tensors.push_back({.w = weight.w.data,
                         .g = weight.g.data,
                         .m = weight.first.data,
                         .v = weight.second.data,
                         .size = weight.w.size(),
                         .first_block = blocks});
      blocks += kernel_type::blocks_of(weight.w.size());
    }
    if (blocks == 0) return;
    scratch_of<Backend, kernel::adamw_tensor<stored, gradient>> const list(std::ssize(tensors));
    Backend::upload(list.data(), tensors.data(), tensors.size() * sizeof(tensors[0]));
    Backend::template launch<kernel_type>({.tensors = list.data(),
                                           .count = static_cast<int>(tensors.size()),
                                           .total_blocks = blocks,
                                           .beta1 = static_cast<float>(step.beta1),
                                           .beta2 = static_cast<float>(step.beta2),
                                           .keep = static_cast<float>(1 - step.rate * step.weight_decay),
                                           .rate = static_cast<float>(step.rate / step.correction1),
                                           .root = static_cast<float>(1 / step.correction2),
                                           .epsilon = static_cast<float>(step.epsilon),
                                           .gradient_factor = static_cast<float>(step.gradient_factor),
                                           .gradient_scale = step.gradient_scale.data,
                                           .stochastic = std::is_same_v<stored, bf16>,
                                           .key = step.rounding});
  }
};

template <kernel_backend Backend>
struct implement<squared_norm_op, Backend> {
  /// sum [1] = Σ x² over all arrays, in double.
  template <class T>
  static void forward(std::span<array_view<T const> const> arrays, array_view<double> sum) {
    using kernel_type = kernel::squared_norm<T>;
    index_t size = 0;
    for (auto const& x : arrays) size += x.size();
    auto const share = kernel::ceil_divide(std::max(size / Backend::wanted_blocks, index_t{1}), 4096) * 4096;
    std::vector<kernel::squared_norm_tensor<T>> tensors;
    index_t blocks = 0;
    for (auto const& x : arrays) {
      tensors.push_back({.x = x.data, .size = x.size(), .first_block = blocks});
      blocks += kernel_type::blocks_of(x.size(), share);
    }
    scratch_of<Backend, double> const sums(blocks);
    scratch_of<Backend, kernel::squared_norm_tensor<T>> const list(blocks == 0 ? 0 : std::ssize(tensors));
    if (blocks != 0) Backend::upload(list.data(), tensors.data(), tensors.size() * sizeof(tensors[0]));
    Backend::template launch<kernel_type>({.tensors = list.data(),
                                           .count = static_cast<int>(tensors.size()),
                                           .share = share,
                                           .total_blocks = blocks,
                                           .sums = sums.data()});
    Backend::template launch<kernel::squared_norm_end>(
        {.sums = sums.data(), .count = device_detail::narrow("squared_norm", blocks), .total = sum.data});
  }
};

template <kernel_backend Backend>
struct implement<gradient_scales_op, Backend> {
  /// As kernel/gradient_clip.hpp has it.
  static void forward(array_view<double const> squared_norms, array_view<double const> losses, double bound,
                      array_view<double> scales) {
    Backend::template launch<kernel::gradient_scales>(
        {.squared_norms = squared_norms.data,
         .models = device_detail::narrow("gradient_scales", squared_norms.size()),
         .losses = losses.data,
         .loss_count = losses.size(),
         .bound = bound,
         .scales = scales.data});
  }
};

template <kernel_backend Backend>
struct implement<moving_average_op, Backend> {
  /// average ← decay·average + (1 − decay)·x
  template <class T>
  static void forward(array_view<float> average, array_view<T const> x, double decay) {
    device_detail::map<Backend>(kernel::function::moving_average{static_cast<float>(1 - decay)}, average,
                                static_cast<float const*>(average.data), x.data);
  }
};

}  // namespace sysdpo
