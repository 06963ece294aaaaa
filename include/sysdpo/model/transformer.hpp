// A transformer of the Llama family: RMSNorm, rotary positions, grouped-query attention, SwiGLU, tied or
// untied head. Causal it is a language model, with a key-value cache for sampling; not causal it encodes
// captions. Weights carry the names that Hugging Face gives them.
#pragma once

#include <numeric>
#include <vector>

#include "sysdpo/model/parameters.hpp"
#include "sysdpo/op/add.hpp"
#include "sysdpo/op/attention.hpp"
#include "sysdpo/op/embedding.hpp"
#include "sysdpo/op/linear.hpp"
#include "sysdpo/op/positions.hpp"
#include "sysdpo/op/rms_norm.hpp"
#include "sysdpo/op/rope.hpp"
#include "sysdpo/op/scatter_rows.hpp"
#include "sysdpo/op/swiglu.hpp"
#include "sysdpo/tensor/checkpoint.hpp"

namespace sysdpo {

/// The sizes of a transformer. Beside each, its name in a Hugging Face config.json.
struct transformer_config {
  index_t vocabulary = 0;      ///< vocab_size
  index_t hidden = 64;         ///< hidden_size
  index_t layers = 2;          ///< num_hidden_layers
  index_t heads = 4;           ///< num_attention_heads
  index_t kv_heads = 4;        ///< num_key_value_heads
  index_t intermediate = 176;  ///< intermediate_size
  index_t context = 128;       ///< max_position_embeddings
  double rope_theta = 10000;   ///< rope_theta
  double norm_epsilon = 1e-5;  ///< rms_norm_eps
  bool tied_head = true;       ///< tie_word_embeddings
  bool causal = true;          ///< is_decoder; false: every token sees its whole sequence

  [[nodiscard]] index_t head_size() const { return hidden / heads; }
  friend bool operator==(transformer_config const&, transformer_config const&) = default;
};

/// \throws error that names the first field that makes no transformer.
inline void validate(transformer_config const& config) {
  setting_check const require{.thing = "transformer configuration", .remedy = "Correct the configuration"};
  require(config.vocabulary > 0, "vocabulary", config.vocabulary, "it must be positive");
  require(config.vocabulary <= std::numeric_limits<std::int32_t>::max(), "vocabulary", config.vocabulary,
          "ids have 32 bits");
  require(config.hidden > 0, "hidden", config.hidden, "it must be positive");
  require(config.layers >= 0, "layers", config.layers, "it must not be negative");
  require(config.heads > 0, "heads", config.heads, "it must be positive");
  require(config.hidden % config.heads == 0, "heads", config.heads, "it must divide hidden");
  require(config.head_size() % 2 == 0, "heads", config.heads,
          "hidden / heads must be even, as rotary positions need it");
  require(config.kv_heads > 0, "kv_heads", config.kv_heads, "it must be positive");
  require(config.heads % config.kv_heads == 0, "kv_heads", config.kv_heads, "it must divide heads");
  require(config.intermediate > 0, "intermediate", config.intermediate, "it must be positive");
  require(config.context > 0, "context", config.context, "it must be positive");
  require(config.rope_theta > 0, "rope_theta", config.rope_theta, "it must be positive");
  require(config.norm_epsilon >= 0, "norm_epsilon", config.norm_epsilon, "it must not be negative");
}

/// A transformer: its weights and what it computes.
template <class Backend, class Precision>
class transformer_model {
 public:
  using backend_type = Backend;
  using T = typename Precision::compute;

  /// Weights start normal with deviation 0.02, those that end a residual branch scaled by 1/√(2·layers),
  /// gains at 1.
  explicit transformer_model(transformer_config const& config, std::uint64_t seed = 0)
      : config_(config), parameters_(seed) {
    validate(config);
    auto const start = normal(0.02);
    auto const residual =
        normal(0.02 / std::sqrt(2.0 * static_cast<double>(std::max<index_t>(config.layers, 1))));
    auto const d = config.hidden;
    auto const kv = config.kv_heads * config.head_size();
    embedding_ = &parameters_.add("model.embed_tokens.weight", {config.vocabulary, d}, start);
    for (index_t i = 0; i < config.layers; ++i) {
      auto const add = [&](char const* name, shape const& extents, initial_value const& value) {
        return &parameters_.add("model.layers." + std::to_string(i) + "." + name + ".weight", extents, value);
      };
      layers_.push_back({.input_norm = add("input_layernorm", {d}, ones),
                         .q = add("self_attn.q_proj", {d, d}, start),
                         .k = add("self_attn.k_proj", {kv, d}, start),
                         .v = add("self_attn.v_proj", {kv, d}, start),
                         .o = add("self_attn.o_proj", {d, d}, residual),
                         .mlp_norm = add("post_attention_layernorm", {d}, ones),
                         .gate = add("mlp.gate_proj", {config.intermediate, d}, start),
                         .up = add("mlp.up_proj", {config.intermediate, d}, start),
                         .down = add("mlp.down_proj", {d, config.intermediate}, residual)});
    }
    norm_ = &parameters_.add("model.norm.weight", {d}, ones);
    head_ = config.tied_head ? embedding_ : &parameters_.add("lm_head.weight", {config.vocabulary, d}, start);
    rotations_ = make_rope_table<Backend, T>(config.context, config.head_size(), config.rope_theta);
  }

  [[nodiscard]] transformer_config const& config() const { return config_; }
  [[nodiscard]] parameter_set<Backend, Precision>& parameters() { return parameters_; }
  [[nodiscard]] parameter_set<Backend, Precision> const& parameters() const { return parameters_; }

  /// Whether a recording tape keeps of each layer only what enters it, and runs the layer again in the
  /// backward pass. Off at first.
  void checkpoint_activations(bool on) { checkpoint_activations_ = on; }
  [[nodiscard]] bool checkpoint_activations() const { return checkpoint_activations_; }

  /// The hidden states [total, hidden] of every token after the final norm. Positions start at 0 in each
  /// sequence. \throws error if a token lies outside the vocabulary or a sequence beyond the context.
  [[nodiscard]] variable<Backend, T> hidden(tape<Backend, T>& tape, packed_tokens<Backend> const& tokens) {
    check_context(tokens.sequences.longest);
    auto const at = positions(tokens.sequences);
    attention_options const options{.causal = config_.causal};
    return body(tape, tokens.ids, at,
                [sequences = tokens.sequences, options](sysdpo::tape<Backend, T>& on, std::size_t,
                                                        auto const& q, auto const& k, auto const& v) {
                  return attention(on, q, k, v, sequences, sequences, options);
                });
  }

  /// The output head [vocabulary, hidden]: logits are hidden · headᵀ.
  [[nodiscard]] variable<Backend, T> head(tape<Backend, T>& tape) { return tape.watch(*head_); }

  /// Keys and values of what `rows` sequences hold so far; starts empty and grows up to the context.
  struct cache {
    /// What one layer keeps.
    struct layer {
      tensor<Backend, T> keys;    ///< [rows · capacity, kv_heads, head size]
      tensor<Backend, T> values;  ///< the same
    };
    std::vector<layer> layers;
    std::vector<std::int32_t> lengths;  ///< tokens that each row holds
    index_t capacity = 0;               ///< tokens that each row has room for
    tensor<Backend, T> logits;          ///< [rows, vocabulary] of each row's last token
  };

  /// \throws error if the model is not causal: then a new token changes all before it.
  [[nodiscard]] cache make_cache(index_t rows) const {
    if (!config_.causal)
      fail({"transformer", "cache", "the model is not causal", "Use hidden() with whole sequences"});
    return {.layers = std::vector<typename cache::layer>(static_cast<std::size_t>(config_.layers)),
            .lengths = std::vector<std::int32_t>(static_cast<std::size_t>(rows)),
            .logits = tensor<Backend, T>::zeros({rows, config_.vocabulary})};
  }

  /// Appends sequence i of `tokens` to row i of the cache and returns the logits [rows, vocabulary] of each
  /// row's last token. Rows may take any number of tokens; one that takes none keeps its logits (zeros before
  /// its first token). The result is the cache's own memory: the next call overwrites it. Records nothing.
  /// \throws error if the rows do not fit, a token lies outside the vocabulary or a row would outgrow the
  /// context; the cache then stays as it was.
  tensor<Backend, T> extend(cache& held, packed_tokens<Backend> const& tokens) {
    auto const& added = tokens.sequences;
    auto const rows = static_cast<index_t>(held.lengths.size());
    if (added.count != rows)
      fail({"transformer", "cache of " + std::to_string(rows) + " rows",
            std::to_string(added.count) + " sequences of new tokens were given",
            "Give one a row, empty ones too"});
    check_ids("transformer", "vocabulary", tokens.ids, config_.vocabulary);
    auto const& offsets = added.host_offsets;
    auto lengths = held.lengths;
    std::vector<std::int32_t> last;   // packed row of each growing row's last new token
    std::vector<std::int32_t> grown;  // the growing rows
    for (std::size_t row = 0; row < lengths.size(); ++row) {
      if (offsets[row + 1] == offsets[row]) continue;
      lengths[row] += offsets[row + 1] - offsets[row];
      last.push_back(offsets[row + 1] - 1);
      grown.push_back(static_cast<std::int32_t>(row));
    }
    if (grown.empty()) return held.logits;
    auto const longest = *std::max_element(lengths.begin(), lengths.end());
    check_context(longest);
    reserve(held, longest);
    std::vector<std::int32_t> begins;  // in the cache: where each row starts,
    std::vector<std::int32_t> free;    // where its new tokens go
    std::vector<std::int32_t> ends;    // and where it then ends
    for (std::size_t row = 0; row < lengths.size(); ++row) {
      begins.push_back(static_cast<std::int32_t>(static_cast<index_t>(row) * held.capacity));
      free.push_back(begins[row] + held.lengths[row]);
      ends.push_back(begins[row] + lengths[row]);
    }
    auto const upload = [](std::vector<std::int32_t> const& numbers) {
      return tensor<Backend, std::int32_t>::from_host({static_cast<index_t>(numbers.size())}, numbers);
    };
    auto const at = positions(added, upload(held.lengths));
    auto const places = positions(added, upload(free));
    held.lengths = lengths;
    auto const begin_view = upload(begins);
    auto const end_view = upload(ends);

    tape<Backend, T> tape(recording::off);
    auto const states =
        body(tape, tokens.ids, at,
             [&](sysdpo::tape<Backend, T>& on, std::size_t i, auto const& q, auto const& k, auto const& v) {
               auto const& layer = held.layers[i];
               scatter_rows(k.value(), places, layer.keys);
               scatter_rows(v.value(), places, layer.values);
               return on.constant(cached_attention(q.value(), layer.keys, layer.values, added, begin_view,
                                                   end_view, {.causal = true}));
             });
    auto const logits = linear(tape, embedding(tape, states, upload(last)), head(tape));
    scatter_rows(logits.value(), upload(grown), held.logits);
    return held.logits;
  }

 private:
  using weight = parameter<Backend, Precision>;
  struct layer_weights {
    weight *input_norm, *q, *k, *v, *o, *mlp_norm, *gate, *up, *down;
  };

  void check_context(index_t longest) const {
    if (longest > config_.context)
      fail({"transformer", "a sequence of " + std::to_string(longest) + " tokens",
            "the context holds " + std::to_string(config_.context),
            "Shorten the sequence or raise `context`"});
  }

  /// All layers and the final norm; `attend(tape, layer, q, k, v)` does what differs between whole sequences
  /// and a cache. On a recording tape it owns what it looks at.
  template <class Attend>
  variable<Backend, T> body(tape<Backend, T>& tape, tensor<Backend, std::int32_t> const& ids,
                            tensor<Backend, std::int32_t> const& at, Attend const& attend) {
    auto x = embedding(tape, tape.watch(*embedding_), ids);
    for (std::size_t i = 0; i < layers_.size(); ++i)
      x = checkpoint_if(
          checkpoint_activations_, tape,
          [this, i](sysdpo::tape<Backend, T>& on, variable<Backend, T> h,
                    tensor<Backend, std::int32_t> const& places,
                    Attend const& look) { return run_layer(on, i, std::move(h), places, look); },
          std::move(x), at, attend);
    return rms_norm(tape, x, tape.watch(*norm_), config_.norm_epsilon);
  }

  template <class Attend>
  variable<Backend, T> run_layer(tape<Backend, T>& tape, std::size_t i, variable<Backend, T> x,
                                 tensor<Backend, std::int32_t> const& at, Attend const& attend) {
    auto const n = x.extent(0);
    auto const d = config_.head_size();
    auto const epsilon = config_.norm_epsilon;
    auto const& layer = layers_[i];
    auto const project = [&](auto const& from, weight* w) { return linear(tape, from, tape.watch(*w)); };
    auto const normed = rms_norm(tape, x, tape.watch(*layer.input_norm), epsilon);
    auto const q = rope(tape, project(normed, layer.q).reshaped({n, config_.heads, d}), at, rotations_);
    auto const k = rope(tape, project(normed, layer.k).reshaped({n, config_.kv_heads, d}), at, rotations_);
    auto const v = project(normed, layer.v).reshaped({n, config_.kv_heads, d});
    x = add(tape, x, project(attend(tape, i, q, k, v).reshaped({n, config_.hidden}), layer.o));
    auto const middle = rms_norm(tape, x, tape.watch(*layer.mlp_norm), epsilon);
    return add(tape, x,
               project(swiglu(tape, project(middle, layer.gate), project(middle, layer.up)), layer.down));
  }

  /// Room for `tokens` tokens a row: at least doubles, so that a cache is copied but a few times.
  void reserve(cache& held, index_t tokens) const {
    if (tokens <= held.capacity) return;
    auto const capacity = std::min(config_.context, std::max({tokens, 2 * held.capacity, index_t{32}}));
    auto const rows = static_cast<index_t>(held.lengths.size());
    auto const grow = [&](tensor<Backend, T>& rows_of) {
      auto const wider = tensor<Backend, T>::zeros({rows * capacity, config_.kv_heads, config_.head_size()});
      for (index_t row = 0; row < rows && held.capacity > 0; ++row) {
        auto const from = rows_of.slice(row * held.capacity, (row + 1) * held.capacity);
        Backend::copy(wider.slice(row * capacity, (row + 1) * capacity).data(), from.data(), from.bytes());
      }
      rows_of = wider;
    };
    for (auto& layer : held.layers) {
      grow(layer.keys);
      grow(layer.values);
    }
    held.capacity = capacity;
  }

  transformer_config config_;
  parameter_set<Backend, Precision> parameters_;
  weight* embedding_ = nullptr;
  std::vector<layer_weights> layers_;
  weight* norm_ = nullptr;
  weight* head_ = nullptr;
  rope_table<Backend, T> rotations_;
  bool checkpoint_activations_ = false;
};

/// Describes a transformer: `Tag` says which weights.
template <class Tag>
struct transformer {
  using tag = Tag;
  using config = transformer_config;
  template <class Backend, class Precision>
  using instance = transformer_model<Backend, Precision>;
};

}  // namespace sysdpo
