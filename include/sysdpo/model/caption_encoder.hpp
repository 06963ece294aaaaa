// A small text encoder for painters: learned positions, pre-norm blocks, every token sees its whole caption.
// Weights carry the names of Hugging Face's CLIPTextModel (with hidden_act "silu"; CLIP's own is causal).
#pragma once

#include <vector>

#include "sysdpo/model/layers.hpp"
#include "sysdpo/op/add.hpp"
#include "sysdpo/op/attention.hpp"
#include "sysdpo/op/embedding.hpp"
#include "sysdpo/op/positions.hpp"
#include "sysdpo/op/silu.hpp"
#include "sysdpo/tensor/checkpoint.hpp"

namespace sysdpo {

/// The sizes of a caption encoder. Beside each, its name in a Hugging Face config.json.
struct caption_encoder_config {
  index_t vocabulary = 0;      ///< vocab_size
  index_t hidden = 64;         ///< hidden_size
  index_t layers = 1;          ///< num_hidden_layers
  index_t heads = 4;           ///< num_attention_heads
  index_t intermediate = 128;  ///< intermediate_size
  index_t context = 32;        ///< max_position_embeddings
  double norm_epsilon = 1e-5;  ///< layer_norm_eps

  friend bool operator==(caption_encoder_config const&, caption_encoder_config const&) = default;
};

/// \throws error that names the first field that makes no encoder.
inline void validate(caption_encoder_config const& config) {
  setting_check const require{.thing = "caption encoder configuration",
                              .remedy = "Correct the configuration"};
  require(config.vocabulary > 0, "vocabulary", config.vocabulary, "it must be positive");
  require(config.hidden > 0, "hidden", config.hidden, "it must be positive");
  require(config.layers >= 0, "layers", config.layers, "it must not be negative");
  require(config.heads > 0 && config.hidden % config.heads == 0, "heads", config.heads,
          "it must divide hidden");
  require(config.intermediate > 0, "intermediate", config.intermediate, "it must be positive");
  require(config.context > 0, "context", config.context, "it must be positive");
}

/// The encoder's blocks over weights that `weights` owns, named "<prefix>text_model. …".
template <class Backend, class Precision>
class caption_encoder {
 public:
  using T = typename Precision::compute;

  caption_encoder() = default;
  /// Adds its weights to `weights`, their names beginning with `prefix`.
  caption_encoder(caption_encoder_config const& config, parameter_set<Backend, Precision>& weights,
                  std::string const& prefix)
      : config_(config) {
    validate(config);
    auto const model = prefix + "text_model.";
    auto const d = config.hidden;
    tokens_ = &weights.add(model + "embeddings.token_embedding.weight", {config.vocabulary, d}, normal(0.02));
    places_ = &weights.add(model + "embeddings.position_embedding.weight", {config.context, d}, normal(0.02));
    auto const residual = 1 / std::sqrt(2.0 * static_cast<double>(std::max<index_t>(config.layers, 1)));
    for (index_t i = 0; i < config.layers; ++i) {
      auto const layer = model + "encoder.layers." + std::to_string(i) + ".";
      layers_.push_back(
          {.norm1 = {weights, layer + "layer_norm1", d, config.norm_epsilon},
           .q = {weights, layer + "self_attn.q_proj", d, d},
           .k = {weights, layer + "self_attn.k_proj", d, d},
           .v = {weights, layer + "self_attn.v_proj", d, d},
           .out = {weights, layer + "self_attn.out_proj", d, d, with_bias::yes, residual},
           .norm2 = {weights, layer + "layer_norm2", d, config.norm_epsilon},
           .up = {weights, layer + "mlp.fc1", d, config.intermediate},
           .down = {weights, layer + "mlp.fc2", config.intermediate, d, with_bias::yes, residual}});
    }
    norm_ = {weights, model + "final_layer_norm", d, config.norm_epsilon};
  }

  /// Whether a recording tape keeps of each block only what enters it. Off at first.
  void checkpoint_activations(bool on) { checkpoint_activations_ = on; }

  /// One vector a token, [total, hidden]. \throws error if a token lies outside the vocabulary or a caption
  /// is longer than the context.
  [[nodiscard]] variable<Backend, T> operator()(tape<Backend, T>& tape,
                                                packed_tokens<Backend> const& captions) const {
    auto const& sequences = captions.sequences;
    if (sequences.longest > config_.context)
      fail({"caption encoder", "a caption of " + std::to_string(sequences.longest) + " tokens",
            "the context holds " + std::to_string(config_.context),
            "Shorten the caption or enlarge the context"});
    auto x = add(tape, embedding(tape, tape.watch(*tokens_), captions.ids),
                 embedding(tape, tape.watch(*places_), positions(sequences)));
    for (auto const& layer : layers_)
      x = checkpoint_if(checkpoint_activations_, tape, block_at{&layer, config_.heads}, std::move(x),
                        sequences);
    return norm_(tape, x);
  }

 private:
  using linear_type = linear_layer<Backend, Precision>;
  using norm_type = layer_norm_layer<Backend, Precision>;
  struct block {
    norm_type norm1;
    linear_type q, k, v, out;
    norm_type norm2;
    linear_type up, down;
  };

  /// x + attention of its sequences to themselves, then x + a two-layer network of each token.
  struct block_at {
    block const* layer;
    index_t head_count;

    variable<Backend, T> operator()(tape<Backend, T>& tape, variable<Backend, T> x,
                                    packed_sequences<Backend> const& sequences) const {
      shape const heads{x.extent(0), head_count, x.extent(1) / head_count};
      auto const h = layer->norm1(tape, x);
      auto const mixed = attention(tape, layer->q(tape, h).reshaped(heads), layer->k(tape, h).reshaped(heads),
                                   layer->v(tape, h).reshaped(heads), sequences, sequences);
      x = add(tape, x, layer->out(tape, mixed.reshaped(x.extents())));
      return add(tape, x, layer->down(tape, silu(tape, layer->up(tape, layer->norm2(tape, x)))));
    }
  };

  caption_encoder_config config_{};
  parameter<Backend, Precision>* tokens_ = nullptr;
  parameter<Backend, Precision>* places_ = nullptr;
  std::vector<block> layers_;
  norm_type norm_;
  bool checkpoint_activations_ = false;
};

}  // namespace sysdpo
