// The two blocks that a conditional UNet is made of, with the weights' names of diffusers: ResnetBlock2D and
// Transformer2DModel.
#pragma once

#include "sysdpo/model/layers.hpp"
#include "sysdpo/op/add.hpp"
#include "sysdpo/op/add_rows.hpp"
#include "sysdpo/op/attention.hpp"
#include "sysdpo/op/geglu.hpp"

namespace sysdpo {

/// x + two normalised convolutions of it, the time embedding added between them.
template <class Backend, class Precision>
struct resnet_block {
  using T = typename Precision::compute;

  group_norm_layer<Backend, Precision> norm1, norm2;
  conv_layer<Backend, Precision> conv1, conv2, shortcut;
  linear_layer<Backend, Precision> time;

  /// Starts as the identity (or as the 1×1 shortcut, where the channels change): conv2 is zero.
  resnet_block(parameter_set<Backend, Precision>& weights, std::string const& name, index_t inputs,
               index_t outputs, index_t time_width, group_norm_options const& norm)
      : norm1(weights, name + ".norm1", inputs, norm),
        norm2(weights, name + ".norm2", outputs, norm),
        conv1(weights, name + ".conv1", inputs, outputs, 3),
        conv2(weights, name + ".conv2", outputs, outputs, 3, 0),
        time(weights, name + ".time_emb_proj", time_width, outputs) {
    if (inputs != outputs) shortcut = {weights, name + ".conv_shortcut", inputs, outputs, 1};
  }

  /// x [R, H, W, inputs], embedding [R, time_width] (activated) → [R, H, W, outputs].
  [[nodiscard]] variable<Backend, T> operator()(tape<Backend, T>& tape, variable<Backend, T> const& x,
                                                variable<Backend, T> const& embedding) const {
    auto h = conv1(tape, norm1(tape, x));
    h = add_rows(tape, h, time(tape, embedding));
    h = conv2(tape, norm2(tape, h));
    return add(tape, shortcut ? shortcut(tape, x) : x, h);
  }
};

/// Multi-head attention of one array's rows to another's.
template <class Backend, class Precision>
struct attention_layer {
  using T = typename Precision::compute;

  linear_layer<Backend, Precision> q, k, v, out;
  index_t heads;

  /// Adds its weights to `weights`.
  attention_layer(parameter_set<Backend, Precision>& weights, std::string const& name, index_t width,
                  index_t context_width, index_t head_count)
      : q(weights, name + ".to_q", width, width, with_bias::no),
        k(weights, name + ".to_k", context_width, width, with_bias::no),
        v(weights, name + ".to_v", context_width, width, with_bias::no),
        out(weights, name + ".to_out.0", width, width),
        heads(head_count) {}

  /// x [queries.total, width], context [keys.total, context width] → the extents of x.
  [[nodiscard]] variable<Backend, T> operator()(tape<Backend, T>& tape, variable<Backend, T> const& x,
                                                variable<Backend, T> const& context,
                                                packed_sequences<Backend> const& queries,
                                                packed_sequences<Backend> const& keys) const {
    auto const head_size = x.extent(1) / heads;
    auto const mixed = attention(tape, q(tape, x).reshaped({queries.total, heads, head_size}),
                                 k(tape, context).reshaped({keys.total, heads, head_size}),
                                 v(tape, context).reshaped({keys.total, heads, head_size}), queries, keys);
    return out(tape, mixed.reshaped(x.extents()));
  }
};

/// x + a transformer block over its pixels: self-attention, attention to the caption, a gated unit.
template <class Backend, class Precision>
struct spatial_transformer {
  using T = typename Precision::compute;

  group_norm_layer<Backend, Precision> norm;
  conv_layer<Backend, Precision> proj_in;
  layer_norm_layer<Backend, Precision> norm1;
  attention_layer<Backend, Precision> self;
  layer_norm_layer<Backend, Precision> norm2;
  attention_layer<Backend, Precision> cross;
  layer_norm_layer<Backend, Precision> norm3;
  linear_layer<Backend, Precision> up, down;
  conv_layer<Backend, Precision> proj_out;

  /// Starts as the identity: proj_out is zero.
  spatial_transformer(parameter_set<Backend, Precision>& weights, std::string const& name, index_t channels,
                      index_t context_width, index_t heads, index_t groups)
      : norm(weights, name + ".norm", channels, {.groups = groups, .epsilon = 1e-6}),
        proj_in(weights, name + ".proj_in", channels, channels, 1),
        norm1(weights, name + block + "norm1", channels),
        self(weights, name + block + "attn1", channels, channels, heads),
        norm2(weights, name + block + "norm2", channels),
        cross(weights, name + block + "attn2", channels, context_width, heads),
        norm3(weights, name + block + "norm3", channels),
        up(weights, name + block + "ff.net.0.proj", channels, 8 * channels),
        down(weights, name + block + "ff.net.2", 4 * channels, channels),
        proj_out(weights, name + ".proj_out", channels, channels, 1, 0) {}

  /// x [R, H, W, C], context [captions.total, context width], one caption a row → the extents of x. `pixels`
  /// is R sequences of H·W.
  [[nodiscard]] variable<Backend, T> operator()(tape<Backend, T>& tape, variable<Backend, T> const& x,
                                                variable<Backend, T> const& context,
                                                packed_sequences<Backend> const& pixels,
                                                packed_sequences<Backend> const& captions) const {
    auto h = proj_in(tape, norm(tape, x)).reshaped({pixels.total, x.extent(3)});
    auto const centred = norm1(tape, h);
    h = add(tape, h, self(tape, centred, centred, pixels, pixels));
    h = add(tape, h, cross(tape, norm2(tape, h), context, pixels, captions));
    h = add(tape, h, down(tape, geglu(tape, up(tape, norm3(tape, h)))));
    return add(tape, x, proj_out(tape, h.reshaped(x.extents())));
  }

 private:
  static constexpr char const* block = ".transformer_blocks.0.";
};

}  // namespace sysdpo
