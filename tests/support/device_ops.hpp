// Every operation that kernels do, at one number of rows and any address.
#pragma once

#include "support/device.hpp"
#include "sysdpo/op/add.hpp"
#include "sysdpo/op/add_noise.hpp"
#include "sysdpo/op/add_rows.hpp"
#include "sysdpo/op/attention.hpp"
#include "sysdpo/op/concat.hpp"
#include "sysdpo/op/conv2d.hpp"
#include "sysdpo/op/denoising_loss.hpp"
#include "sysdpo/op/diffusion_step.hpp"
#include "sysdpo/op/embedding.hpp"
#include "sysdpo/op/geglu.hpp"
#include "sysdpo/op/group_norm.hpp"
#include "sysdpo/op/head_log_prob.hpp"
#include "sysdpo/op/layer_norm.hpp"
#include "sysdpo/op/linear.hpp"
#include "sysdpo/op/log_softmax_gather.hpp"
#include "sysdpo/op/positions.hpp"
#include "sysdpo/op/rms_norm.hpp"
#include "sysdpo/op/rope.hpp"
#include "sysdpo/op/scale.hpp"
#include "sysdpo/op/scatter_rows.hpp"
#include "sysdpo/op/segment_sum.hpp"
#include "sysdpo/op/silu.hpp"
#include "sysdpo/op/swiglu.hpp"
#include "sysdpo/op/timestep_embedding.hpp"
#include "sysdpo/op/upsample.hpp"

namespace test {

/// `count` ids below `bound`.
template <class Backend>
sysdpo::tensor<Backend, std::int32_t> some_ids(index_t count, index_t bound) {
  std::vector<std::int32_t> made;
  for (index_t i = 0; i < count; ++i) made.push_back(static_cast<std::int32_t>(5 * i % bound));
  return ids<Backend>(made);
}

/// Checks the operations that have gradients on `rows` rows or images, whose operands begin `shift` elements
/// behind an aligned address.
template <class T>
void check_every_op(index_t rows, index_t shift) {
  auto const check = [&](char const* name, auto const& op, std::vector<input> const& inputs) {
    INFO(name << ", " << rows << " rows, shifted by " << shift);
    check_op<T>(op, inputs, 4, shift);
  };
#define SYSDPO_OP(...)                                                                    \
  [&]<class B, class N>([[maybe_unused]] sysdpo::tape<B, N>& tape,                        \
                        [[maybe_unused]] std::vector<sysdpo::variable<B, N>> const& in) { \
    return __VA_ARGS__;                                                                   \
  }
  check("add", SYSDPO_OP(add(tape, in[0], in[1])), {{{rows, 16}}, {{rows, 16}}});
  check("scale", SYSDPO_OP(sysdpo::scale(tape, in[0], -0.3)), {{{rows, 16}}});
  check("silu", SYSDPO_OP(silu(tape, in[0])), {{{rows, 16}}});
  check("swiglu", SYSDPO_OP(swiglu(tape, in[0], in[1])), {{{rows, 16}}, {{rows, 16}}});
  check("geglu", SYSDPO_OP(geglu(tape, in[0])), {{{rows, 32}}});
  check("linear", SYSDPO_OP(linear(tape, in[0], in[1], in[2])), {{{rows, 16}}, {{24, 16}}, {{24}}});
  check("rms_norm", SYSDPO_OP(rms_norm(tape, in[0], in[1])), {{{rows, 48}}, {{48}}});
  check("layer_norm", SYSDPO_OP(layer_norm(tape, in[0], in[1], in[2])), {{{rows, 48}}, {{48}}, {{48}}});
  check("rope", SYSDPO_OP(rope(tape, in[0], some_ids<B>(rows, 7), sysdpo::make_rope_table<B, N>(7, 16, 100))),
        {{{rows, 2, 16}}});
  for (bool const causal : {false, true})
    check("attention", SYSDPO_OP([&] {
            auto const packed = sysdpo::pack_lengths<B>(std::vector<index_t>{0, rows, 0});
            return attention(tape, in[0], in[1], in[2], packed, packed, {.causal = causal});
          }()),
          {{{rows, 4, 16}}, {{rows, 2, 16}}, {{rows, 2, 16}}});
  check("embedding", SYSDPO_OP(embedding(tape, in[0], some_ids<B>(rows, 9))), {{{9, 16}}});
  check("log_softmax_gather", SYSDPO_OP(log_softmax_gather(tape, in[0], some_ids<B>(rows, 40))),
        {{{rows, 40}, 3}});
  check("head_log_prob", SYSDPO_OP(head_log_prob(tape, in[0], in[1], some_ids<B>(rows, 40))),
        {{{rows, 16}}, {{40, 16}}});
  check("segment_sum", SYSDPO_OP([&] {
          auto const each = log_softmax_gather(tape, in[0], some_ids<B>(rows, 8));
          return segment_sum(tape, each, sysdpo::pack_lengths<B>(std::vector<index_t>{0, rows, 0}));
        }()),
        {{{rows, 8}}});
  check("conv2d", SYSDPO_OP(conv2d(tape, in[0], in[1], in[2], {1, 1})),
        {{{rows, 3, 4, 8}}, {{16, 8, 3, 3}}, {{16}}});
  check("conv2d by a product", SYSDPO_OP(conv2d(tape, in[0], in[1], in[2])),
        {{{rows, 3, 4, 8}}, {{16, 8, 1, 1}}, {{16}}});
  check("group_norm",
        SYSDPO_OP(group_norm(tape, in[0], in[1], in[2], {.groups = 2, .then = sysdpo::activation::silu})),
        {{{rows, 3, 4, 16}}, {{16}}, {{16}}});
  check("add_rows", SYSDPO_OP(add_rows(tape, in[0], in[1])), {{{rows, 3, 16}}, {{rows, 16}}});
  check("concat", SYSDPO_OP(concat(tape, in[0], in[1])), {{{rows, 16}}, {{rows, 8}}});
  check("upsample", SYSDPO_OP(upsample(tape, in[0])), {{{rows, 2, 3, 16}}});
  for (auto const reduce : {sysdpo::reduction::sum, sysdpo::reduction::mean}) {
    auto const other = [&]<class B, class N>(sysdpo::tape<B, N> const&, std::uint64_t seed) {
      return tensor_of<B, N>({rows, 24}, random_numbers<T>(rows * 24, seed), shift);
    };
    auto const weight = [&]<class B, class N>(sysdpo::tape<B, N> const&) {
      return tensor_of<B, sysdpo::widened<N>>({rows}, random_numbers<T>(rows, 3), shift);
    };
    check("denoising_loss", SYSDPO_OP(denoising_loss(tape, in[0], other(tape, 1), weight(tape), reduce)),
          {{{rows, 24}}});
    check("denoising_log_ratio",
          SYSDPO_OP(denoising_log_ratio(tape, in[0], other(tape, 1), other(tape, 2), weight(tape), reduce)),
          {{{rows, 24}}});
  }
#undef SYSDPO_OP
}

/// The same for those that have none.
template <class T>
void check_every_other_op(index_t rows, index_t shift) {
  auto const on = [&]<class B, class N>(sysdpo::tape<B, N> const&) {
    auto const of = [&](shape const& extents, std::uint64_t seed) {
      return tensor_of<B, N>(extents, random_numbers<T>(extents.size(), seed), shift);
    };
    auto const wide = [&](std::uint64_t seed) {
      return tensor_of<B, sysdpo::widened<N>>({rows}, random_numbers<float>(rows, seed), shift);
    };
    std::vector<sysdpo::draw_key> keys;
    for (index_t i = 0; i < rows; ++i) keys.push_back({.pair = static_cast<std::uint64_t>(i)});
    std::vector<numbers> all;
    for (auto const wanted : {sysdpo::denoising_target::noise, sysdpo::denoising_target::velocity}) {
      auto const made = add_noise(of({rows, 24}, 1), keys, wide(2), wide(3), wanted);
      all.push_back(numbers_of(made.noisy));
      all.push_back(numbers_of(made.target));
    }
    all.push_back(numbers_of(sysdpo::timestep_embedding<N>(some_ids<B>(rows, 1000), 16)));
    sysdpo::diffusion_step_coefficients const guided{
        .clean_of_z = 1.5, .clean_of_prediction = -0.5, .limit = 1, .next_of_noise = 0.125, .guidance = 3};
    all.push_back(
        numbers_of(diffusion_step(of({rows, 16}, 4), of({2 * rows, 16}, 5), of({rows, 16}, 6), guided)));
    all.push_back(
        numbers_of(diffusion_step(of({rows, 16}, 4), of({rows, 16}, 5), {}, {.clean_of_prediction = 1})));
    auto const cache = of({7, 2, 16}, 7);
    scatter_rows(of({rows, 2, 16}, 8), some_ids<B>(rows, 7), cache);
    all.push_back(numbers_of(cache));
    auto const packed = sysdpo::pack_lengths<B>(std::vector<index_t>{0, rows});
    auto const places = positions(packed, ids<B>({3, 1})).to_host();
    all.emplace_back(places.begin(), places.end());
    all.push_back(numbers_of(cached_attention(of({rows, 4, 16}, 9), cache, of({7, 2, 16}, 10), packed,
                                              ids<B>({0, 2}), ids<B>({2, 7}))));
    return all;
  };
  auto const expected = on(sysdpo::tape<sysdpo::cpu, double>{});
  in_all_orders([&] {
    auto const got = on(sysdpo::tape<device, T>{});
    for (std::size_t i = 0; i < got.size(); ++i) {
      INFO("result " << i << ", " << rows << " rows, shifted by " << shift);
      REQUIRE(agree(got[i], expected[i], 4 * unit<T> + 1e-6));
    }
  });
}

}  // namespace test
