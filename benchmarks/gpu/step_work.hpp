// How many floating-point operations a step of SysDPO takes by its models' definitions, a product with its
// sum being two: products with weights, convolutions as their definition has them, attention's two products.
// Norms, activations, the loss and the optimiser are left out, and whatever is computed a second time.
#pragma once

#include <vector>

#include "step_systems.hpp"

namespace benchmarks::gpu {

/// Of one sequence.
inline double author_work(sysdpo::transformer_config const& config, text_sizes const& texts) {
  auto const d = static_cast<double>(config.hidden);
  auto const kv = static_cast<double>(config.kv_heads * config.head_size());
  auto const n = static_cast<double>(texts.sequence());
  auto const weights = 2 * d * d + 2 * d * kv + 3 * d * static_cast<double>(config.intermediate);
  auto const head = d * static_cast<double>(config.vocabulary * texts.scored());
  return static_cast<double>(config.layers) * (2 * n * weights + 2 * d * n * (n + 1)) + 2 * head;
}

inline double encoder_work(sysdpo::caption_encoder_config const& config, double n) {
  auto const d = static_cast<double>(config.hidden);
  return static_cast<double>(config.layers) *
         (2 * n * (4 * d * d + 2 * d * static_cast<double>(config.intermediate)) + 4 * d * n * n);
}

/// Of one image, without the caption's encoder; it walks as the model's constructor does.
inline double painter_work(sysdpo::unet_config const& config, double tokens) {
  auto const context = static_cast<double>(config.caption_encoder.hidden);
  auto const time = 4.0 * static_cast<double>(config.block_out_channels[0]);
  auto const levels = config.block_out_channels.size();
  auto const channels_at = [&](std::size_t level) {
    return static_cast<double>(config.block_out_channels[level]);
  };
  auto const resnet = [&](double pixels, double inputs, double outputs) {
    return 2 * (pixels * (9 * inputs * outputs + 9 * outputs * outputs +
                          (inputs == outputs ? 0 : inputs * outputs)) +
                time * outputs);
  };
  auto const attention = [&](double n, double c) {
    auto const projections = n * c * c * (2 + 4 + 2 + 12) + 2 * tokens * context * c;
    return 2 * projections + 4 * c * n * (n + tokens);
  };
  auto side = static_cast<double>(config.sample_size);
  auto width = channels_at(0);
  auto const first = 2 * 9 * side * side * width;
  auto work = first * static_cast<double>(config.in_channels + config.out_channels) +
              2 * (width * time + time * time + (config.pooled_caption ? context * time : 0));
  std::vector<double> skips{width};
  for (std::size_t level = 0; level < levels; ++level) {
    for (index_t j = 0; j < config.layers_per_block; ++j) {
      work += resnet(side * side, width, channels_at(level));
      width = channels_at(level);
      if (config.cross_attention[level]) work += attention(side * side, width);
      skips.push_back(width);
    }
    if (level + 1 == levels) continue;
    side /= 2;
    work += 2 * 9 * side * side * width * width;
    skips.push_back(width);
  }
  work += 2 * resnet(side * side, width, width) + attention(side * side, width);
  for (auto level = levels; level-- > 0;) {
    for (index_t j = 0; j <= config.layers_per_block; ++j) {
      work += resnet(side * side, width + skips.back(), channels_at(level));
      skips.pop_back();
      width = channels_at(level);
      if (config.cross_attention[level]) work += attention(side * side, width);
    }
    if (level == 0) continue;
    side *= 2;
    work += 2 * 9 * side * side * width * width;
  }
  return work;
}

/// Of a forward pass for one side of a pair: what is trained, and what is frozen.
struct side_work {
  double author = 0, painter = 0, encoder = 0;

  /// Of a step: the reference's forward pass, the policy's, and a backward pass of twice as many; of what is
  /// frozen the two forward passes.
  [[nodiscard]] double step(index_t pairs) const {
    return 2 * static_cast<double>(pairs) * (4 * (author + painter) + 2 * encoder);
  }
};

template <class Setup>
side_work work_of(sysdpo::model_configs<typename Setup::system> const& configs) {
  auto const texts = Setup::texts();
  auto const tokens = static_cast<double>(texts.condition());
  auto const& [author, painter] = configs;
  return {.author = author_work(author, texts),
          .painter = 3 * painter_work(painter, tokens),
          .encoder = 3 * encoder_work(painter.caption_encoder, tokens)};
}

}  // namespace benchmarks::gpu
