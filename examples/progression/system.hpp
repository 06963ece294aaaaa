// The compound system of the poster's figure (a): a language model reads the prompt and writes three
// captions, one diffusion model draws an image for each.
#pragma once

#include <sysdpo.hpp>

#include "grammar.hpp"
#include "scene.hpp"

namespace progression {

struct prompt_source {
  static constexpr auto name = "prompt";
};
struct writer {
  static constexpr auto name = "writer";
};
template <int K>
struct panel {
  static constexpr auto name = "panel";
  static constexpr int index = K;
};
struct author_weights {
  static constexpr auto name = "author";
};
struct painter_weights {
  static constexpr auto name = "painter";
};

using author_model = sysdpo::transformer<author_weights>;
using painter_model = sysdpo::unet<painter_weights>;
using author = sysdpo::autoregressive<author_model, sysdpo::list<sysdpo::text, 3>>;
using painter = sysdpo::denoising<painter_model, sysdpo::image<3, image_size, image_size>>;
template <int K>
using illustration = sysdpo::node<panel<K>, painter, sysdpo::from<sysdpo::part<writer, K>>>;

using storybook = sysdpo::system<sysdpo::source<prompt_source, sysdpo::text>,
                                 sysdpo::node<writer, author, sysdpo::from<prompt_source>>,  //
                                 illustration<0>, illustration<1>, illustration<2>>;
static_assert(storybook::model_count == 2 && storybook::loss_is == sysdpo::loss_kind::surrogate);

using machine = sysdpo::cpu;  // where the system lives; its judge stays on the CPU
using precision = sysdpo::precision<float>;
template <class Backend>
using models_on = sysdpo::models<storybook, Backend, precision>;
using storybook_models = models_on<machine>;
using storybook_pair = sysdpo::preference<storybook>;
using sequence = sysdpo::assignment<storybook>;

inline sysdpo::model_configs<storybook> model_sizes() {
  auto const vocabulary_size = static_cast<sysdpo::index_t>(vocabulary().size());
  sysdpo::transformer_config const author_size{.vocabulary = vocabulary_size,
                                               .hidden = 64,
                                               .layers = 2,
                                               .heads = 4,
                                               .kv_heads = 2,
                                               .intermediate = 160,
                                               .context = 64};
  sysdpo::unet_config painter_size{.block_out_channels = {32, 32, 48},
                                   .cross_attention = {false, false, false},
                                   .heads = 2,
                                   .norm_groups = 8,
                                   .pooled_caption = true};
  painter_size.sample_size = image_size;
  painter_size.caption_encoder = {.vocabulary = vocabulary_size,
                                  .hidden = 48,
                                  .layers = 1,
                                  .heads = 4,
                                  .intermediate = 96,
                                  .context = 16};
  return {author_size, painter_size};
}

/// How the two are scored and drawn from; an image is drawn in `sampling_steps` steps.
inline sysdpo::policy_options<storybook> policy_settings(int sampling_steps) {
  sysdpo::policy_options<storybook> settings;
  settings.get<author>() = {.begin = bos, .separator = sep, .end = eos, .sampling = {.max_new_tokens = 24}};
  auto& denoising = settings.get<painter>();
  denoising.begin = bos;
  denoising.end = eos;
  denoising.sampling.steps = sampling_steps;
  denoising.prediction = sysdpo::prediction_kind::velocity;
  denoising.schedule.kind = sysdpo::schedule_kind::cosine;
  denoising.weight = sysdpo::loss_weight::velocity;
  denoising.first_step =
      denoising.schedule.steps * 3 / 5;  // the noisier steps, where an image's overall look is decided
  return settings;
}

}  // namespace progression
