// AdamW over many tensors in one launch, with weights W, gradients G and moments in float. Small steps are
// not lost where weights are float, of which the model works with a rounded copy (kernel/map.hpp makes one),
// or where those of 16 bits are rounded up or down at random so that the mean is right (stochastic rounding).
// Bound by memory.
#pragma once

#include "sysdpo/core/philox.hpp"
#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// One tensor's arrays, all [size].
template <class W, class G = W>
struct adamw_tensor {
  W* w;
  G const* g;
  float* m;
  float* v;
  index_t size;
  index_t first_block;  ///< the sum of adamw<W, G>::blocks_of over the tensors before
};

/// m ← β₁m + (1−β₁)·s·g, v ← β₂v + (1−β₂)(s·g)², w ← w·keep − rate·m / (√(v·root) + ε), with keep = 1 −
/// rate₀·decay, rate = rate₀ / (1 − β₁ᵗ), root = 1 / (1 − β₂ᵗ); s is `gradient_factor`, times
/// `*gradient_scale` where that is not null. Where s is NaN everything stays as it is.
template <class W, class G = W>
struct adamw {
  static constexpr int threads = 256;
  struct arguments {
    adamw_tensor<W, G> const* tensors;
    int count;
    index_t total_blocks;
    float beta1, beta2, keep, rate, root, epsilon;
    float gradient_factor;
    double const* gradient_scale;
    bool stochastic;  ///< rounding, of bf16 alone
    draw_key key;     ///< of the rounding: another one for each step
  };
  using shared = nothing_shared;

  static index_t blocks_of(index_t size) { return blocks_for<threads, 4>(size); }
  static index_t blocks(arguments const& given) { return given.total_blocks; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    float const scale = given.gradient_factor *
                        (given.gradient_scale == nullptr ? 1.0F : static_cast<float>(*given.gradient_scale));
    if (std::isnan(scale)) return;
    int const number = tensor_of_block(given.tensors, given.count, block.index());
    auto const tensor = given.tensors[number];
    auto const begin = (block.index() - tensor.first_block) * span_of<threads, 4>;
    auto const left = tensor.size - begin;
    int const count = left < span_of<threads, 4> ? static_cast<int>(left) : span_of<threads, 4>;
    bool const aligned = is_aligned<4>(tensor.w, 0) && is_aligned<4>(tensor.g, 0) &&
                         is_aligned<4>(tensor.m, 0) && is_aligned<4>(tensor.v, 0);
    auto key = given.key;
    key.node = static_cast<std::uint32_t>(number);
    philox_stream const stream(key);
    sweep<threads, 4>(block.thread(), 0, count, aligned ? 0 : count, [&](int offset, auto size) {
      auto const i = begin + offset;
      float w[size.value];
      float g[size.value];
      float m[size.value];
      float v[size.value];
      load(w, tensor.w + i);
      load(g, tensor.g + i);
      load(m, tensor.m + i);
      load(v, tensor.v + i);
      for (int j = 0; j < size.value; ++j) {
        float const gradient = g[j] * scale;
        m[j] = given.beta1 * m[j] + (1 - given.beta1) * gradient;
        v[j] = given.beta2 * v[j] + (1 - given.beta2) * gradient * gradient;
        w[j] = w[j] * given.keep - given.rate * m[j] / (std::sqrt(v[j] * given.root) + given.epsilon);
      }
      store(tensor.m + i, m);
      store(tensor.v + i, v);
      if constexpr (std::is_same_v<W, bf16>)
        if (given.stochastic) round_at_random(stream, i, w);
      store(tensor.w + i, w);
    });
  }

 private:
  /// Numbers become such that bf16 holds: the one above with the probability that makes the mean right. i is
  /// a multiple of 4, or N is 1.
  template <int N>
  static SYSDPO_DEVICE void round_at_random(philox_stream const& stream, index_t i, float (&w)[N]) {
    auto const words = stream.block(static_cast<std::uint32_t>(i / 4));
    SYSDPO_UNROLL for (int j = 0; j < 4; ++j) {  // the words stay in registers
      if (N == 1 && i % 4 != j) continue;
      auto& number = w[N == 1 ? 0 : j];
      number = to_float(sysdpo::round_at_random(number, words.word[j] >> 16));
    }
  }
};

}  // namespace sysdpo::kernel
