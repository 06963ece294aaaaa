#include "sysdpo/train/config_json.hpp"

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using Catch::Contains;

namespace {

template <class Config>
Config read_text(std::string const& text) {
  test::temporary_directory const folder;
  sysdpo::write_file(folder / "config.json", text);
  return sysdpo::read_config<Config>(folder / "config.json");
}

template <class Config>
void require_same_after_reading(Config const& config) {
  test::temporary_directory const folder;
  sysdpo::write_config(folder / "config.json", config);
  REQUIRE(sysdpo::read_config<Config>(folder / "config.json") == config);
}

std::string const llama =
    R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false, "bos_token_id": 1,
  "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 48, "initializer_range": 0.02,
  "intermediate_size": 100, "max_position_embeddings": 64, "model_type": "llama", "num_attention_heads": 4,
  "num_hidden_layers": 3, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_scaling": null,
  "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
  "transformers_version": "4.40.0", "use_cache": true, "vocab_size": 128})";

std::string with(std::string text, std::string const& from, std::string const& to) {
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST_CASE("configurations read back as they were written", "[config]") {
  require_same_after_reading(sysdpo::transformer_config{.vocabulary = 77,
                                                        .hidden = 48,
                                                        .layers = 3,
                                                        .heads = 6,
                                                        .kv_heads = 2,
                                                        .intermediate = 99,
                                                        .context = 33,
                                                        .rope_theta = 1234.5,
                                                        .norm_epsilon = 3e-6,
                                                        .tied_head = false,
                                                        .causal = false});
  require_same_after_reading(sysdpo::unet_config{
      .in_channels = 1,
      .out_channels = 1,
      .sample_size = 32,
      .block_out_channels = {16, 24, 32},
      .cross_attention = {false, true, true},
      .layers_per_block = 2,
      .heads = 2,
      .norm_groups = 4,
      .norm_epsilon = 2e-5,
      .caption_encoder = {.vocabulary = 50, .hidden = 12, .layers = 2, .heads = 3, .context = 9}});
}

TEST_CASE("the config.json of a Llama model is understood", "[config]") {
  auto const config = read_text<sysdpo::transformer_config>(llama);
  CHECK(config == sysdpo::transformer_config{.vocabulary = 128,
                                             .hidden = 48,
                                             .layers = 3,
                                             .heads = 4,
                                             .kv_heads = 2,
                                             .intermediate = 100,
                                             .context = 64,
                                             .rope_theta = 500000,
                                             .norm_epsilon = 1e-6,
                                             .tied_head = true,
                                             .causal = true});
}

TEST_CASE("a configuration that cannot be followed is refused with file and key", "[config]") {
  auto const read = [](std::string const& from, std::string const& to) {
    static_cast<void>(read_text<sysdpo::transformer_config>(with(llama, from, to)));
  };
  CHECK_THROWS_WITH(read("\"hidden_size\": 48,", ""),
                    Contains("config.json") && Contains("'hidden_size' is missing"));
  CHECK_THROWS_WITH(read("\"hidden_size\": 48", "\"hidden_size\": \"48\""), Contains("/hidden_size"));
  CHECK_THROWS_WITH(read("\"hidden_size\": 48", "\"hidden_size\": 50"), Contains("heads = 4"));
  CHECK_THROWS_WITH(read("\"rope_scaling\": null", "\"rope_scaling\": {\"factor\": 8.0}"),
                    Contains("/rope_scaling") && Contains("not supported"));
  CHECK_THROWS_WITH(read("\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\""), Contains("/hidden_act"));
  CHECK_THROWS_WITH(read("\"model_type\": \"llama\"", "\"model_type\": \"mistral\""),
                    Contains("/model_type"));
  CHECK_THROWS_WITH(read("\"use_cache\"", "\"use_cash\""), Contains("'use_cash' is not known"));
  CHECK_THROWS_WITH(read("\"model_type\": \"llama\"", "\"head_dim\": 16"), Contains("/head_dim"));
}

TEST_CASE("a UNet whose ways down and up differ is refused", "[config]") {
  sysdpo::unet_config config;
  config.caption_encoder.vocabulary = 10;
  auto document = sysdpo::config_format<sysdpo::unet_config>::write(config);
  std::swap(document["up_block_types"][0], document["up_block_types"][1]);
  CHECK_THROWS_WITH(read_text<sysdpo::unet_config>(document.dump()), Contains("/up_block_types"));
  document["up_block_types"][0] = "AttnUpBlock2D";
  CHECK_THROWS_WITH(read_text<sysdpo::unet_config>(document.dump()), Contains("/up_block_types/0"));
}
