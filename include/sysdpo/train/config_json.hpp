// Model configurations as config.json: the keys that Hugging Face uses, read strictly.
//
// A model description of one's own is saved and loaded once `config_format` is specialised for its
// configuration type.
#pragma once

#include <algorithm>
#include <concepts>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "sysdpo/io/json.hpp"
#include "sysdpo/model/table.hpp"
#include "sysdpo/model/transformer.hpp"
#include "sysdpo/model/unet.hpp"

namespace sysdpo {

/// How a configuration type is written and read. A specialisation provides
///   static json write(Config const&)
///   static Config read(json_view const&)    failing through the view, so that errors name file and key
/// such that read(write(c)) is c.
template <class Config>
struct config_format;

// The library's own specialisations are constrained templates: whoever saves and loads nothing does not pay
// for compiling them.

namespace detail {

/// Fails unless `key` says `value`: a setting that changes what the model computes and of which nothing else
/// is implemented.
template <class Value>
void demand_value(json_view const& config, std::string const& key, Value const& value) {
  auto const setting = config.at(key);
  if (!same(setting.value(), json(value)))
    setting.fail(fmt::format("{} is not supported", setting.value().dump()),
                 fmt::format("Use a model with {}", json(value).dump()));
}

/// The same for a key that may be missing, `value` being its default.
template <class Value>
void demand_default(json_view const& config, std::string const& key, Value const& value) {
  if (config.contains(key)) demand_value(config, key, value);
}

/// `key` as `read` gives it, or `otherwise` where it is missing.
template <class T, class Read>
T value_or(json_view const& config, std::string const& key, T otherwise, Read&& read) {
  return config.contains(key) ? static_cast<T>(read(config.at(key))) : otherwise;
}

}  // namespace detail

/// A table as config.json.
template <std::same_as<table_config> Config>
struct config_format<Config> {
  /// As it stands in config.json.
  static json write(Config const& config) {
    return {{"model_type", "table"},
            {"contexts", config.contexts},
            {"categories", config.categories},
            {"initial_deviation", config.initial_deviation}};
  }

  /// From config.json, strictly.
  static Config read(json_view const& config) {
    config.allow_only({"model_type", "contexts", "categories", "initial_deviation"});
    detail::demand_default(config, "model_type", "table");
    return {.contexts = config.at("contexts").integer<index_t>(1),
            .categories = config.at("categories").integer<index_t>(1),
            .initial_deviation = detail::value_or(config, "initial_deviation", 0.0,
                                                  [](json_view const& at) { return at.number(); })};
  }
};

/// The config.json of LlamaForCausalLM. Of its keys, those that only concern training or generation are
/// passed over, those that would change the architecture must have the value that is implemented.
template <std::same_as<transformer_config> Config>
struct config_format<Config> {
  /// As it stands in config.json.
  static json write(Config const& config) {
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

  /// From config.json, strictly.
  static Config read(json_view const& config) {
    config.allow_only({"architectures", "model_type", "hidden_act", "vocab_size", "hidden_size",
                       "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size",
                       "max_position_embeddings", "rope_theta", "rms_norm_eps", "tie_word_embeddings",
                       "is_decoder", "head_dim", "rope_scaling", "attention_bias", "mlp_bias",
                       // Of no effect on the computation.
                       "_name_or_path", "attention_dropout", "bos_token_id", "eos_token_id", "pad_token_id",
                       "initializer_range", "pretraining_tp", "torch_dtype", "dtype", "transformers_version",
                       "use_cache"});
    detail::demand_default(config, "model_type", "llama");
    detail::demand_default(config, "hidden_act", "silu");
    detail::demand_default(config, "attention_bias", false);
    detail::demand_default(config, "mlp_bias", false);
    detail::demand_default(config, "rope_scaling", nullptr);

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
    detail::demand_default(config, "head_dim", read.head_size());
    return read;
  }
};

/// CLIPTextConfig, for an encoder whose tokens see their whole caption and whose activation is SiLU.
template <std::same_as<caption_encoder_config> Config>
struct config_format<Config> {
  /// As it stands in config.json.
  static json write(Config const& config) {
    return {{"model_type", "clip_text_model"},
            {"hidden_act", "silu"},
            {"is_causal", false},
            {"vocab_size", config.vocabulary},
            {"hidden_size", config.hidden},
            {"num_hidden_layers", config.layers},
            {"num_attention_heads", config.heads},
            {"intermediate_size", config.intermediate},
            {"max_position_embeddings", config.context},
            {"layer_norm_eps", config.norm_epsilon}};
  }

  /// From config.json, strictly.
  static Config read(json_view const& config) {
    config.allow_only({"model_type", "hidden_act", "is_causal", "vocab_size", "hidden_size",
                       "num_hidden_layers", "num_attention_heads", "intermediate_size",
                       "max_position_embeddings", "layer_norm_eps"});
    detail::demand_default(config, "model_type", "clip_text_model");
    detail::demand_value(config, "hidden_act", "silu");  // CLIP's defaults are others
    detail::demand_value(config, "is_causal", false);
    auto const size = [&](std::string const& key) { return config.at(key).integer<index_t>(1); };
    caption_encoder_config const read{.vocabulary = size("vocab_size"),
                                      .hidden = size("hidden_size"),
                                      .layers = config.at("num_hidden_layers").integer<index_t>(0),
                                      .heads = size("num_attention_heads"),
                                      .intermediate = size("intermediate_size"),
                                      .context = size("max_position_embeddings"),
                                      .norm_epsilon = config.at("layer_norm_eps").number()};
    validate(read);
    return read;
  }
};

/// The config.json of UNet2DConditionModel, with the caption encoder's under "text_encoder".
template <std::same_as<unet_config> Config>
struct config_format<Config> {
  /// As it stands in config.json.
  static json write(Config const& config) {
    auto down = json::array();
    auto up = json::array();
    for (bool const attends : config.cross_attention) {
      down.push_back(attends ? "CrossAttnDownBlock2D" : "DownBlock2D");
      up.insert(up.begin(), attends ? "CrossAttnUpBlock2D" : "UpBlock2D");
    }
    return {{"_class_name", "UNet2DConditionModel"},
            {"act_fn", "silu"},
            {"mid_block_type", "UNetMidBlock2DCrossAttn"},
            {"in_channels", config.in_channels},
            {"out_channels", config.out_channels},
            {"sample_size", config.sample_size},
            {"block_out_channels", config.block_out_channels},
            {"down_block_types", down},
            {"up_block_types", up},
            {"layers_per_block", config.layers_per_block},
            {"attention_head_dim", config.heads},
            {"norm_num_groups", config.norm_groups},
            {"norm_eps", config.norm_epsilon},
            {"class_embed_type", config.pooled_caption ? json("simple_projection") : json(nullptr)},
            {"cross_attention_dim", config.caption_encoder.hidden},
            {"text_encoder", config_format<caption_encoder_config>::write(config.caption_encoder)}};
  }

  /// From config.json, strictly.
  static Config read(json_view const& config) {
    config.allow_only({"_class_name", "_diffusers_version", "act_fn", "mid_block_type", "in_channels",
                       "out_channels", "sample_size", "block_out_channels", "down_block_types",
                       "up_block_types", "layers_per_block", "attention_head_dim", "norm_num_groups",
                       "norm_eps", "class_embed_type", "cross_attention_dim", "text_encoder"});
    detail::demand_default(config, "_class_name", "UNet2DConditionModel");
    detail::demand_default(config, "act_fn", "silu");
    detail::demand_default(config, "mid_block_type", "UNetMidBlock2DCrossAttn");
    auto const size = [&](std::string const& key) { return config.at(key).integer<index_t>(1); };
    unet_config read{
        .in_channels = size("in_channels"),
        .out_channels = size("out_channels"),
        .sample_size = size("sample_size"),
        .block_out_channels = {},
        .cross_attention = {},
        .layers_per_block = size("layers_per_block"),
        .heads = size("attention_head_dim"),
        .norm_groups = size("norm_num_groups"),
        .norm_epsilon = config.at("norm_eps").number(),
        .pooled_caption = pooled(config),
        .caption_encoder = config_format<caption_encoder_config>::read(config.at("text_encoder"))};
    auto const channels = config.at("block_out_channels");
    for (std::size_t i = 0; i < channels.size(); ++i)
      read.block_out_channels.push_back(channels.at(i).integer<index_t>(1));
    read_attention(config.at("down_block_types"), "CrossAttnDownBlock2D", "DownBlock2D",
                   read.cross_attention);
    std::vector<bool> upwards;
    read_attention(config.at("up_block_types"), "CrossAttnUpBlock2D", "UpBlock2D", upwards);
    if (!std::equal(upwards.rbegin(), upwards.rend(), read.cross_attention.begin(),
                    read.cross_attention.end()))
      config.at("up_block_types")
          .fail("the blocks do not mirror down_block_types", "Give each level the same kind on both ways");
    detail::demand_default(config, "cross_attention_dim", read.caption_encoder.hidden);
    validate(read);
    return read;
  }

 private:
  /// diffusers' null, or the one kind of class embedding that the model has.
  static bool pooled(json_view const& config) {
    if (!config.contains("class_embed_type") || config.at("class_embed_type").value().is_null()) return false;
    detail::demand_default(config, "class_embed_type", "simple_projection");
    return true;
  }

  static void read_attention(json_view const& types, std::string const& with, std::string const& without,
                             std::vector<bool>& into) {
    for (std::size_t i = 0; i < types.size(); ++i) {
      auto const type = types.at(i).string();
      if (type != with && type != without)
        types.at(i).fail(fmt::format("'{}' is not supported", type),
                         fmt::format("Use {} or {}", with, without));
      into.push_back(type == with);
    }
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
