// A tiny storybook: an author writes a caption for every panel, one painter draws each of them.
#pragma once

#include <utility>

#include "sysdpo/backend/cpu.hpp"
#include "sysdpo/graph/system.hpp"
#include "sysdpo/model/transformer.hpp"
#include "sysdpo/model/unet.hpp"
#include "sysdpo/policy/autoregressive.hpp"
#include "sysdpo/policy/denoising.hpp"

namespace test {

struct prompt {
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
template <int Panels>
using author_of = sysdpo::autoregressive<author_model, sysdpo::list<sysdpo::text, Panels>>;
using painter = sysdpo::denoising<painter_model, sysdpo::image<1, 4, 4>>;
template <int K>
using illustration = sysdpo::node<panel<K>, painter, sysdpo::from<sysdpo::part<writer, K>>>;

namespace detail {

template <int... K>
sysdpo::system<sysdpo::source<prompt, sysdpo::text>,
               sysdpo::node<writer, author_of<sizeof...(K)>, sysdpo::from<prompt>>, illustration<K>...>
    storybook_with(std::integer_sequence<int, K...>);

}  // namespace detail

/// Nodes: the writer, then panel 0 … `Panels` − 1.
template <int Panels>
using storybook_of = decltype(detail::storybook_with(std::make_integer_sequence<int, Panels>{}));

inline sysdpo::transformer_config tiny_author() {
  return {.vocabulary = 9,
          .hidden = 8,
          .layers = 1,
          .heads = 2,
          .kv_heads = 1,
          .intermediate = 12,
          .context = 24};
}

inline sysdpo::unet_config tiny_painter(bool pooled_caption, sysdpo::index_t caption_context) {
  return {.in_channels = 1,
          .out_channels = 1,
          .sample_size = 4,
          .block_out_channels = {4, 8},
          .cross_attention = {false, true},
          .heads = 2,
          .norm_groups = 2,
          .pooled_caption = pooled_caption,
          .caption_encoder = {.vocabulary = 9,
                              .hidden = 8,
                              .layers = 1,
                              .heads = 2,
                              .intermediate = 8,
                              .context = caption_context}};
}

}  // namespace test
