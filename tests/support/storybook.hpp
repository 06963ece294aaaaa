// A tiny storybook: an author writes a caption for every panel, one painter draws each of them.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "sysdpo/backend/cpu.hpp"
#include "sysdpo/core/philox.hpp"
#include "sysdpo/graph/preference.hpp"
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

/// A book of two panels for one prompt: random words, and pixels without meaning.
inline sysdpo::assignment<storybook_of<2>> random_page(sysdpo::generator& random) {
  sysdpo::assignment<storybook_of<2>> page;
  auto const words = [&](std::size_t count) {
    std::vector<std::int32_t> text;
    for (std::size_t i = 0; i < count; ++i)
      text.push_back(static_cast<std::int32_t>(3 + random.uniform_index(6)));
    return text;
  };
  sysdpo::get<prompt>(page) = {4, 5};
  sysdpo::get<writer>(page) = {words(1 + random.uniform_index(3)), words(2)};
  for (auto* image : {&sysdpo::get<panel<0>>(page), &sysdpo::get<panel<1>>(page)}) {
    std::vector<float> pixels(16);
    for (auto& pixel : pixels) pixel = random.normal();
    *image = sysdpo::pixels<1, 4, 4>(pixels);
  }
  return page;
}

/// `count` pairs of such books, the same in every run.
inline std::vector<sysdpo::preference<storybook_of<2>>> random_pairs(std::uint64_t count) {
  sysdpo::generator random(3);
  std::vector<sysdpo::preference<storybook_of<2>>> pairs;
  for (std::uint64_t id = 0; id < count; ++id)
    pairs.push_back({.id = id, .chosen = random_page(random), .rejected = random_page(random)});
  return pairs;
}

}  // namespace test
