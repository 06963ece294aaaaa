// A conditional UNet in the shape of diffusers' UNet2DConditionModel, with its names of weights, together
// with the encoder of the captions it is conditioned on. Images are NHWC; weights of convolutions are OIHW,
// in memory as in files.
#pragma once

#include <vector>

#include "sysdpo/model/caption_encoder.hpp"
#include "sysdpo/model/unet_blocks.hpp"
#include "sysdpo/op/add.hpp"
#include "sysdpo/op/concat.hpp"
#include "sysdpo/op/embedding.hpp"
#include "sysdpo/op/timestep_embedding.hpp"
#include "sysdpo/op/upsample.hpp"
#include "sysdpo/tensor/checkpoint.hpp"

namespace sysdpo {

/// The sizes of a UNet. Beside each, its name in a diffusers config.json.
struct unet_config {
  index_t in_channels = 3;                          ///< in_channels
  index_t out_channels = 3;                         ///< out_channels
  index_t sample_size = 16;                         ///< sample_size: height and width of the images
  std::vector<index_t> block_out_channels{32, 64};  ///< block_out_channels: one level each, halving the image
  std::vector<bool> cross_attention{
      false, true};              ///< down_block_types and up_block_types: CrossAttn…Block2D or …Block2D
  index_t layers_per_block = 1;  ///< layers_per_block
  index_t heads = 4;             ///< attention_head_dim, which there means the number of heads
  index_t norm_groups = 8;       ///< norm_num_groups
  double norm_epsilon = 1e-5;    ///< norm_eps
  bool pooled_caption =
      false;  ///< class_embed_type "simple_projection": the caption's last token joins the time embedding
  caption_encoder_config caption_encoder{};  ///< its hidden size is cross_attention_dim

  friend bool operator==(unet_config const&, unet_config const&) = default;
};

/// \throws error that names the first field that makes no UNet.
inline void validate(unet_config const& config) {
  setting_check const require{.thing = "UNet configuration", .remedy = "Correct the configuration"};
  auto const levels = config.block_out_channels.size();
  require(config.in_channels > 0, "in_channels", config.in_channels, "it must be positive");
  require(config.out_channels > 0, "out_channels", config.out_channels, "it must be positive");
  require(levels > 0 && levels < 32, "levels of block_out_channels", levels, "there must be 1 to 31");
  require(config.cross_attention.size() == levels, "flags of cross_attention", config.cross_attention.size(),
          "there must be one a level");
  require(config.sample_size > 0 && config.sample_size % (index_t{1} << (levels - 1)) == 0, "sample_size",
          config.sample_size, "it must divide by 2 for every level but the last");
  require(config.layers_per_block > 0, "layers_per_block", config.layers_per_block, "it must be positive");
  require(config.norm_groups > 0, "norm_groups", config.norm_groups, "it must be positive");
  require(config.heads > 0, "heads", config.heads, "it must be positive");
  for (auto const channels : config.block_out_channels) {
    require(channels > 0 && channels % config.norm_groups == 0, "block_out_channels", channels,
            "norm_groups must divide every one");
    require(channels % config.heads == 0, "block_out_channels", channels, "heads must divide every one");
  }
  require(config.block_out_channels[0] % 2 == 0, "block_out_channels", config.block_out_channels[0],
          "the first must be even, for the time embedding");
  validate(config.caption_encoder);
}

/// A UNet with its caption encoder: its weights and what it computes.
template <class Backend, class Precision>
class unet_model {
 public:
  using backend_type = Backend;
  using T = typename Precision::compute;

  /// Starts with a prediction of zero and residual branches of zero; the rest normal with the deviation that
  /// keeps variances.
  explicit unet_model(unet_config const& config, std::uint64_t seed = 0)
      : config_(config), parameters_(seed) {
    validate(config);
    auto& weights = parameters_;
    auto const& channels = config.block_out_channels;
    auto const levels = static_cast<index_t>(channels.size());
    auto const channels_at = [&](index_t level) { return channels[static_cast<std::size_t>(level)]; };
    auto const time_width = 4 * channels[0];
    auto const context_width = config.caption_encoder.hidden;
    group_norm_options const norm{
        .groups = config.norm_groups, .epsilon = config.norm_epsilon, .then = activation::silu};
    auto const add_resnet = [&](stage& to, std::string const& name, index_t inputs, index_t outputs) {
      to.resnets.emplace_back(weights, name + ".resnets." + std::to_string(to.resnets.size()), inputs,
                              outputs, time_width, norm);
    };
    auto const add_attention = [&](stage& to, std::string const& name, index_t width) {
      to.attentions.emplace_back(weights, name + ".attentions." + std::to_string(to.attentions.size()), width,
                                 context_width, config.heads, config.norm_groups);
    };

    encoder_ = {config.caption_encoder, weights, "text_encoder."};
    conv_in_ = {weights, "conv_in", config.in_channels, channels[0], 3};
    time1_ = {weights, "time_embedding.linear_1", channels[0], time_width};
    time2_ = {weights, "time_embedding.linear_2", time_width, time_width};
    if (config.pooled_caption) pooled_ = {weights, "class_embedding", context_width, time_width};

    std::vector<index_t> skips{channels[0]};
    auto width = channels[0];
    for (index_t level = 0; level < levels; ++level) {
      auto const name = "down_blocks." + std::to_string(level);
      auto& block = down_.emplace_back();
      for (index_t j = 0; j < config.layers_per_block; ++j) {
        add_resnet(block, name, width, channels_at(level));
        width = channels_at(level);
        if (config.cross_attention[static_cast<std::size_t>(level)]) add_attention(block, name, width);
        skips.push_back(width);
      }
      if (level + 1 == levels) continue;
      block.resample = {weights, name + ".downsamplers.0.conv", width, width, 3, 1, 2};
      skips.push_back(width);
    }

    add_resnet(middle_, "mid_block", width, width);
    add_attention(middle_, "mid_block", width);
    add_resnet(middle_, "mid_block", width, width);

    for (auto level = levels - 1; level >= 0; --level) {
      auto const name = "up_blocks." + std::to_string(levels - 1 - level);
      auto& block = up_.emplace_back();
      for (index_t j = 0; j <= config.layers_per_block; ++j) {
        add_resnet(block, name, width + skips.back(), channels_at(level));
        skips.pop_back();
        width = channels_at(level);
        if (config.cross_attention[static_cast<std::size_t>(level)]) add_attention(block, name, width);
      }
      if (level > 0) block.resample = {weights, name + ".upsamplers.0.conv", width, width, 3};
    }
    norm_out_ = {weights, "conv_norm_out", width, norm};
    conv_out_ = {weights, "conv_out", width, config.out_channels, 3, 0};
  }

  [[nodiscard]] unet_config const& config() const { return config_; }
  [[nodiscard]] parameter_set<Backend, Precision>& parameters() { return parameters_; }
  [[nodiscard]] parameter_set<Backend, Precision> const& parameters() const { return parameters_; }

  /// Whether a recording tape keeps of each residual block, with its attention, only what enters it, and runs
  /// it again in the backward pass; the caption encoder's blocks too. Off at first.
  void checkpoint_activations(bool on) {
    checkpoint_activations_ = on;
    encoder_.checkpoint_activations(on);
  }
  [[nodiscard]] bool checkpoint_activations() const { return checkpoint_activations_; }

  /// What `predict` is conditioned on: one vector a token of the captions, [total, hidden].
  [[nodiscard]] variable<Backend, T> encode(tape<Backend, T>& tape,
                                            packed_tokens<Backend> const& captions) const {
    return encoder_(tape, captions);
  }

  /// The prediction (of noise or velocity, as it was trained) for noisy images z [R, H, W, in_channels] at
  /// diffusion steps t [R], row r given caption r of `condition` [captions.total, hidden] → [R, H, W,
  /// out_channels]. \throws error if the shapes do not fit the model or each other.
  [[nodiscard]] variable<Backend, T> predict(tape<Backend, T>& tape, variable<Backend, T> const& z,
                                             tensor<Backend, std::int32_t> const& t,
                                             variable<Backend, T> const& condition,
                                             packed_sequences<Backend> const& captions) const {
    check(z.extents(), t.extents(), condition.extents(), captions);
    auto const width = config_.block_out_channels[0];
    auto const waves = tape.constant(timestep_embedding<T>(t, width));
    auto embedded = time2_(tape, silu(tape, time1_(tape, waves)));
    if (config_.pooled_caption)
      embedded = add(tape, embedded, pooled_(tape, last_tokens(tape, condition, captions)));
    auto const time = silu(tape, embedded);
    auto const run = [&](stage const& of, std::size_t j, variable<Backend, T> x,
                         variable<Backend, T> skip = {}) {
      return checkpoint_if(checkpoint_activations_, tape, block_at{&of, j}, std::move(x), std::move(skip),
                           time, condition, captions);
    };

    auto x = conv_in_(tape, z);
    std::vector<variable<Backend, T>> skips{x};
    for (auto const& block : down_) {
      for (std::size_t j = 0; j < block.resnets.size(); ++j) skips.push_back(x = run(block, j, x));
      if (block.resample) skips.push_back(x = block.resample(tape, x));
    }
    x = run(middle_, 1, run(middle_, 0, x));
    for (auto const& block : up_) {
      for (std::size_t j = 0; j < block.resnets.size(); ++j) {
        auto skip = std::move(skips.back());
        skips.pop_back();
        x = run(block, j, std::move(x), std::move(skip));
      }
      if (block.resample) x = block.resample(tape, upsample(tape, x));
    }
    return conv_out_(tape, norm_out_(tape, x));
  }
  /// The same where z takes no gradient.
  [[nodiscard]] variable<Backend, T> predict(tape<Backend, T>& tape, tensor<Backend, T> const& z,
                                             tensor<Backend, std::int32_t> const& t,
                                             variable<Backend, T> const& condition,
                                             packed_sequences<Backend> const& captions) const {
    return predict(tape, tape.constant(z), t, condition, captions);
  }

 private:
  struct stage {
    std::vector<resnet_block<Backend, Precision>> resnets;
    std::vector<spatial_transformer<Backend, Precision>> attentions;
    conv_layer<Backend, Precision> resample;
  };

  /// Residual block j of a stage, of x beside what was skipped to here, and its attention to the caption.
  struct block_at {
    stage const* of;
    std::size_t j;

    variable<Backend, T> operator()(tape<Backend, T>& tape, variable<Backend, T> x, variable<Backend, T> skip,
                                    variable<Backend, T> const& time, variable<Backend, T> const& condition,
                                    packed_sequences<Backend> const& captions) const {
      if (skip) x = concat(tape, x, std::exchange(skip, {}));
      x = of->resnets[j](tape, x, time);
      return j < of->attentions.size()
                 ? of->attentions[j](tape, x, condition, pixels_of(x.extents()), captions)
                 : x;
    }
  };

  /// The encoder's output at each caption's last token, which sees the whole caption: [R, hidden].
  static variable<Backend, T> last_tokens(tape<Backend, T>& tape, variable<Backend, T> const& condition,
                                          packed_sequences<Backend> const& captions) {
    auto const& offsets = captions.host_offsets;
    std::vector<std::int32_t> last;
    for (std::size_t i = 1; i < offsets.size(); ++i) {
      if (offsets[i] == offsets[i - 1])
        fail({"UNet", "caption " + std::to_string(i - 1), "it has no token, and the last one is pooled",
              "Give every caption at least its begin and end tokens"});
      last.push_back(offsets[i] - 1);
    }
    return embedding(tape, condition, tensor<Backend, std::int32_t>::from_host({captions.count}, last));
  }

  static packed_sequences<Backend> pixels_of(shape const& images) {
    std::vector<index_t> const lengths(static_cast<std::size_t>(images[0]), images[1] * images[2]);
    return pack_lengths<Backend>(lengths);
  }

  void check(shape const& z, shape const& t, shape const& condition,
             packed_sequences<Backend> const& captions) const {
    auto const divisor = index_t{1} << (down_.size() - 1);
    if (z.rank() != 4 || z[3] != config_.in_channels || z[1] % divisor != 0 || z[2] % divisor != 0)
      fail({"UNet", "images " + to_string(z),
            "the model takes " + std::to_string(config_.in_channels) +
                " channels and extents that divide by " + std::to_string(divisor),
            "Give images [R, H, W, C] of that kind"});
    if (t != shape{z[0]})
      fail({"UNet", "steps " + to_string(t), "there are " + std::to_string(z[0]) + " images",
            "Give one diffusion step an image"});
    if (captions.count != z[0] || condition != shape{captions.total, config_.caption_encoder.hidden})
      fail({"UNet", "condition " + to_string(condition),
            std::to_string(captions.count) + " captions of " + std::to_string(captions.total) +
                " tokens for " + std::to_string(z[0]) + " images",
            "Give one encoded caption an image"});
  }

  unet_config config_;
  parameter_set<Backend, Precision> parameters_;
  caption_encoder<Backend, Precision> encoder_;
  conv_layer<Backend, Precision> conv_in_;
  linear_layer<Backend, Precision> time1_, time2_, pooled_;
  std::vector<stage> down_;
  stage middle_;
  std::vector<stage> up_;
  group_norm_layer<Backend, Precision> norm_out_;
  conv_layer<Backend, Precision> conv_out_;
  bool checkpoint_activations_ = false;
};

/// Describes a UNet.
template <class Tag>
struct unet {
  using tag = Tag;
  using config = unet_config;
  template <class Backend, class Precision>
  using instance = unet_model<Backend, Precision>;
};

}  // namespace sysdpo
