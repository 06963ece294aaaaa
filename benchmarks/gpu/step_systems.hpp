// The two compound systems whose whole steps are timed, with data made up for them. All texts of a system are
// of one length, so that the other side of the comparison has nothing to pad.
//
//   prompt → author → three captions → painter → an image for each
#pragma once

#include <cstdint>
#include <string>
#include <sysdpo.hpp>
#include <vector>

#include "../../examples/progression/system.hpp"

#if defined(__CUDACC__)
#include "sysdpo/backend/cuda.cuh"
#elif defined(SYSDPO_STEP_EMULATED)
#include "sysdpo/backend/emulated.hpp"
#endif

namespace benchmarks::gpu {

using sysdpo::bf16;
using sysdpo::index_t;

// Without nvcc the same program runs small on the CPU, to see that it does what it should: with plain ops,
// which know no bf16, or with the kernels' bodies.
#if defined(__CUDACC__)
using machine = sysdpo::cuda;
using narrow = bf16;
constexpr bool on_gpu = true;
#elif defined(SYSDPO_STEP_EMULATED)
using machine = sysdpo::emulated;
using narrow = bf16;
constexpr bool on_gpu = false;
#else
using machine = sysdpo::cpu;
using narrow = float;
constexpr bool on_gpu = false;
#endif

using plain = sysdpo::precision<float>;
using mixed = sysdpo::precision<float, narrow, float>;  ///< weights of 32 bits, activations of 16
using brief = sysdpo::precision<bf16, narrow, float>;   ///< both of 16, moments of 32

/// How long texts are. Tokens 0, 1 and 2 are special, as policies have it where nothing else is said.
struct text_sizes {
  index_t prompt = 0;
  index_t caption = 0;

  /// Of what the author reads: begin, prompt, separator, captions with separators between.
  [[nodiscard]] index_t sequence() const { return 1 + prompt + 1 + 3 * caption + 2; }
  /// Of what it is scored on: captions, separators, end.
  [[nodiscard]] index_t scored() const { return 3 * caption + 3; }
  /// Of what the painter's encoder reads.
  [[nodiscard]] index_t condition() const { return caption + 2; }
};

/// The progression's, as its example trains it; a batch has as many pairs there as here, 16, or more.
struct progression_system {
  using system = progression::storybook;
  using author = progression::author;
  using painter = progression::painter;
  using author_model = progression::author_model;
  using painter_model = progression::painter_model;
  using prompt = progression::prompt_source;
  using writer = progression::writer;
  template <int K>
  using panel = progression::panel<K>;
  static constexpr auto name = "progression";

  /// The most frequent length of its prompts, and that of all its captions.
  static text_sizes texts() { return {.prompt = 13, .caption = progression::caption_length}; }
  /// Kernels take heads of multiples of 16 bytes: in 16 bits the caption encoder's four of 12 elements become
  /// three of 16.
  static sysdpo::model_configs<system> configs(bool narrow_heads) {
    auto made = progression::model_sizes();
    if (narrow_heads) std::get<1>(made).caption_encoder.heads = 3;
    return made;
  }
  static sysdpo::policy_options<system> policies() {
    return progression::policy_settings(/*sampling_steps=*/1);  // nothing is drawn
  }
};

struct large_author_weights {
  static constexpr auto name = "author";
};
struct large_painter_weights {
  static constexpr auto name = "painter";
};

/// TinyLlama and the UNet of Stable Diffusion 1.5, with an encoder of CLIP ViT-L's size: as those are, but
/// that the encoder is not causal and has SiLU for CLIP's own activation. Images are latents, 64 × 64 × 4.
/// Small where there is no GPU.
struct large_system {
  using author_model = sysdpo::transformer<large_author_weights>;
  using painter_model = sysdpo::unet<large_painter_weights>;
  static constexpr int side = on_gpu ? 64 : 8;
  using author = sysdpo::autoregressive<author_model, sysdpo::list<sysdpo::text, 3>>;
  using painter = sysdpo::denoising<painter_model, sysdpo::image<4, side, side>>;
  using prompt = progression::prompt_source;
  using writer = progression::writer;
  template <int K>
  using panel = progression::panel<K>;
  template <int K>
  using illustration = sysdpo::node<panel<K>, painter, sysdpo::from<sysdpo::part<writer, K>>>;
  using system = sysdpo::system<sysdpo::source<prompt, sysdpo::text>,
                                sysdpo::node<writer, author, sysdpo::from<prompt>>,  //
                                illustration<0>, illustration<1>, illustration<2>>;
  static constexpr auto name = "llama-1.1b + sd-1.5";

  /// Captions fill CLIP's 77 places, and the author reads 512 tokens: an instruction of a paragraph, three
  /// descriptions of two or three sentences.
  static text_sizes texts() {
    return on_gpu ? text_sizes{.prompt = 283, .caption = 75} : text_sizes{.prompt = 9, .caption = 5};
  }
  static sysdpo::model_configs<system> configs(bool /*narrow_heads*/) {
    sysdpo::transformer_config author_size{.vocabulary = 32000,
                                           .hidden = 2048,
                                           .layers = 22,
                                           .heads = 32,
                                           .kv_heads = 4,
                                           .intermediate = 5632,
                                           .context = 2048,
                                           .tied_head = false};
    sysdpo::unet_config painter_size{.in_channels = 4,
                                     .out_channels = 4,
                                     .sample_size = 64,
                                     .block_out_channels = {320, 640, 1280, 1280},
                                     .cross_attention = {true, true, true, false},
                                     .layers_per_block = 2,
                                     .heads = 8,
                                     .norm_groups = 32};
    painter_size.caption_encoder = {
        .vocabulary = 49408, .hidden = 768, .layers = 12, .heads = 12, .intermediate = 3072, .context = 77};
    if (!on_gpu) {
      author_size = {.vocabulary = 90,
                     .hidden = 32,
                     .layers = 2,
                     .heads = 4,
                     .kv_heads = 2,
                     .intermediate = 48,
                     .context = 64,
                     .tied_head = false};
      painter_size.sample_size = side;
      painter_size.block_out_channels = {16, 16, 32, 32};
      painter_size.heads = 2;
      painter_size.norm_groups = 8;
      painter_size.caption_encoder = {
          .vocabulary = 90, .hidden = 24, .layers = 2, .heads = 3, .intermediate = 48, .context = 16};
    }
    return {author_size, painter_size};
  }
  static sysdpo::policy_options<system> policies() { return {}; }
};

/// Random tokens but the special ones, random pixels; the same in every run.
template <class Setup>
std::vector<sysdpo::preference<typename Setup::system>> make_pairs(index_t count) {
  sysdpo::generator random(11);
  auto const texts = Setup::texts();
  auto const vocabulary =
      static_cast<std::uint64_t>(std::min(std::get<0>(Setup::configs(false)).vocabulary,
                                          std::get<1>(Setup::configs(false)).caption_encoder.vocabulary));
  auto const text = [&](index_t length) {
    std::vector<std::int32_t> made;
    for (index_t i = 0; i < length; ++i)
      made.push_back(3 + static_cast<std::int32_t>(random.uniform_index(vocabulary - 3)));
    return made;
  };
  using image = typename Setup::painter::value::type;
  auto const picture = [&] {
    std::vector<float> numbers(image::size);
    for (auto& x : numbers) x = 0.5F * random.normal();
    return image(numbers);
  };
  std::vector<sysdpo::preference<typename Setup::system>> pairs(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].id = i;
    auto const prompt = text(texts.prompt);
    for (auto* side : {&pairs[i].chosen, &pairs[i].rejected}) {
      sysdpo::get<typename Setup::prompt>(*side) = prompt;
      sysdpo::get<typename Setup::writer>(*side) = {text(texts.caption), text(texts.caption),
                                                    text(texts.caption)};
      sysdpo::get<typename Setup::template panel<0>>(*side) = picture();
      sysdpo::get<typename Setup::template panel<1>>(*side) = picture();
      sysdpo::get<typename Setup::template panel<2>>(*side) = picture();
    }
  }
  return pairs;
}

}  // namespace benchmarks::gpu
