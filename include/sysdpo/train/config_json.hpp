// Model configurations as config.json: the keys that Hugging Face uses, read strictly.
//
// A model description of one's own is saved and loaded once `config_format` is specialised for its
// configuration type.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sysdpo/io/json.hpp"
#include "sysdpo/model/table.hpp"
#include "sysdpo/model/transformer.hpp"

namespace sysdpo {

/// How a configuration type is written and read. A specialisation provides
///   static json write(Config const&)
///   static Config read(json_view const&)    failing through the view, so that errors name file and key
/// such that read(write(c)) is c.
template <class Config>
struct config_format;

namespace detail {

/// Fails if `key` is there and says anything but `value`: a setting that changes what the model computes and
/// that is not implemented.
template <class Value>
void require_value(json_view const& config, std::string const& key, Value const& value) {
  if (config.contains(key) && config.at(key).value() != json(value))
    config.at(key).fail(fmt::format("{} is not supported", config.at(key).value().dump()),
                        fmt::format("Use a model with {}", json(value).dump()));
}

/// `key` as `read` gives it, or `otherwise` where it is missing.
template <class T, class Read>
T value_or(json_view const& config, std::string const& key, T otherwise, Read&& read) {
  return config.contains(key) ? static_cast<T>(read(config.at(key))) : otherwise;
}

}  // namespace detail

template <>
struct config_format<table_config> {
  static json write(table_config const& config) {
    return {{"model_type", "table"},
            {"contexts", config.contexts},
            {"categories", config.categories},
            {"initial_deviation", config.initial_deviation}};
  }

  static table_config read(json_view const& config) {
    config.allow_only({"model_type", "contexts", "categories", "initial_deviation"});
    detail::require_value(config, "model_type", "table");
    return {.contexts = config.at("contexts").integer<index_t>(1),
            .categories = config.at("categories").integer<index_t>(1),
            .initial_deviation = detail::value_or(config, "initial_deviation", 0.0,
                                                  [](json_view const& at) { return at.number(); })};
  }
};

/// The config.json of LlamaForCausalLM. Of its keys, those that only concern training or generation are
/// passed over, those that would change the architecture must have the value that is implemented.
template <>
struct config_format<transformer_config> {
  static json write(transformer_config const& config) {
    return {{"architectures", {config.causal ? "LlamaForCausalLM" : "LlamaModel"}},
            {"model_type", "llama"},
            {"hidden_act", "silu"},
            {"vocab_size", config.vocabulary},
            {"hidden_size", config.hidden},
            {"num_hidden_layers", config.layers},
            {"num_attention_heads", config.heads},
            {"num_key_value_heads", config.kv_heads},
            {"intermediate_size", config.intermediate},
            {"max_position_embeddings", config.context},
            {"rope_theta", config.rope_theta},
            {"rms_norm_eps", config.norm_epsilon},
            {"tie_word_embeddings", config.tied_head},
            {"is_decoder", config.causal}};
  }

  static transformer_config read(json_view const& config) {
    config.allow_only({"architectures", "model_type", "hidden_act", "vocab_size", "hidden_size",
                       "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size",
                       "max_position_embeddings", "rope_theta", "rms_norm_eps", "tie_word_embeddings",
                       "is_decoder", "head_dim", "rope_scaling", "attention_bias", "mlp_bias",
                       // Of no effect on the computation.
                       "_name_or_path", "attention_dropout", "bos_token_id", "eos_token_id", "pad_token_id",
                       "initializer_range", "pretraining_tp", "torch_dtype", "dtype", "transformers_version",
                       "use_cache"});
    detail::require_value(config, "model_type", "llama");
    detail::require_value(config, "hidden_act", "silu");
    detail::require_value(config, "attention_bias", false);
    detail::require_value(config, "mlp_bias", false);
    detail::require_value(config, "rope_scaling", nullptr);

    auto const size = [&](std::string const& key) { return config.at(key).integer<index_t>(1); };
    auto const integer = [](json_view const& at) { return at.integer<index_t>(1); };
    auto const number = [](json_view const& at) { return at.number(); };
    auto const boolean = [](json_view const& at) { return at.boolean(); };
    auto const heads = size("num_attention_heads");
    transformer_config const read{
        .vocabulary = size("vocab_size"),
        .hidden = size("hidden_size"),
        .layers = config.at("num_hidden_layers").integer<index_t>(0),
        .heads = heads,
        .kv_heads = detail::value_or(config, "num_key_value_heads", heads, integer),
        .intermediate = size("intermediate_size"),
        .context = size("max_position_embeddings"),
        .rope_theta = detail::value_or(config, "rope_theta", 10000.0, number),
        .norm_epsilon = detail::value_or(config, "rms_norm_eps", 1e-6, number),
        .tied_head = detail::value_or(config, "tie_word_embeddings", false, boolean),
        .causal = detail::value_or(config, "is_decoder", true, boolean)};
    validate(read);
    detail::require_value(config, "head_dim", read.head_size());
    return read;
  }
};

/// Writes a configuration, wholly or not at all.
template <class Config>
void write_config(std::filesystem::path const& file, Config const& config) {
  write_json(file, config_format<Config>::write(config));
}

/// \throws error that names the file, the key and the cause.
template <class Config>
[[nodiscard]] Config read_config(std::filesystem::path const& file) {
  json_file const document(file, "model configuration");
  return config_format<Config>::read(document.root());
}

}  // namespace sysdpo
