// What the two models are pre-trained on. Both corpora are imperfect on purpose, as the poster's models were
// imperfect at this task: the author often sees captions in no order, the painter often sees a picture that
// does not show the level its caption names. That is honest because the noise is in the training data alone:
// models learn it as part of their distribution and are sampled as they are. No caption avoids the painter's
// faults, so only training the painter removes them; a corpus free of noise would leave nothing for the joint
// training to win.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "grammar.hpp"
#include "random.hpp"
#include "scene.hpp"

namespace progression {

/// One text for the author: it shall answer `request` with `captions`.
struct author_example {
  words request;
  std::array<words, 3> captions;
};

/// One picture for the painter, in [−1, 1], height × width × RGB, with its caption.
struct painter_example {
  words caption;
  picture image;
};

/// One picture for the regressor with every attribute's true level, and which are away from their natural
/// ranges.
struct regressor_example {
  picture image;
  std::array<float, attribute_count> level;
  std::array<bool, attribute_count> about{};
};

namespace detail {

/// Three level words: with probability `p_order` as `increasing` asks (half of them evenly from end to end,
/// half any strictly monotone triple), else three independent ones.
inline std::array<int, 3> level_triple(bool increasing, float p_order, random_stream& random) {
  std::array<int, 3> triple{0, 2, 4};
  if (!random.chance(p_order)) {
    for (int& level : triple) level = random.below(level_count);
    return triple;
  }
  if (random.chance(0.5F)) {
    std::array<int, level_count> order{0, 1, 2, 3, 4};
    for (std::size_t i = 0; i < triple.size(); ++i) {
      auto const rest = static_cast<int>(order.size() - i);
      std::swap(order[i], order[i + static_cast<std::size_t>(random.below(rest))]);
      triple[i] = order[i];
    }
    std::sort(triple.begin(), triple.end());
  }
  if (!increasing) std::reverse(triple.begin(), triple.end());
  return triple;
}

}  // namespace detail

/// Draws an author's example about one of `requests` (not empty): place and attribute are right, the three
/// levels are in the order asked for with probability `p_order`, else arbitrary. Each caption chooses its
/// synonyms at random.
inline author_example draw_author_example(std::vector<prompt> const& requests, random_stream& random,
                                          float p_order = 0.35F) {
  prompt const& request = requests[static_cast<std::size_t>(random.below(static_cast<int>(requests.size())))];
  author_example result{.request = encode(request.text), .captions = {}};
  auto const levels = detail::level_triple(request.increasing, p_order, random);
  for (std::size_t i = 0; i < levels.size(); ++i)
    result.captions[i] = caption({.place = request.place, .attribute = request.attribute, .level = levels[i]},
                                 random.below(caption_synonyms));
  return result;
}

/// Draws a painter's example: the picture shows the level its caption names give or take 0.06, except that
/// with probability `rho` it shows any level, unless the attribute is one that is `painted_faithfully`. Other
/// attributes are natural.
inline painter_example draw_painter_example(random_stream& random, float rho = 0.25F) {
  caption_meaning const meaning{.place = random.below(place_count),
                                .attribute = random.below(attribute_count),
                                .level = random.below(level_count)};
  float const named = std::clamp(level_value(meaning.level) + random.uniform(-0.06F, 0.06F), 0.0F, 1.0F);
  bool const faulty = random.chance(rho) && !painted_faithfully(meaning.attribute);
  float const shown = faulty ? random.uniform() : named;
  return {.caption = caption(meaning, random.below(caption_synonyms)),
          .image = render(scene_about(meaning.attribute, shown, meaning.place, random))};
}

/// Draws a regressor's example: `about` at any level, the others natural. If `about` is negative, one to
/// three random attributes are at any level: a picture then teaches more than one of them.
inline regressor_example draw_regressor_example(random_stream& random, int about = -1) {
  scene s = natural_scene(random.below(place_count), random);
  regressor_example result{};
  int const count = about < 0 ? 1 + random.below(3) : 1;
  for (int i = 0; i < count; ++i) {
    auto const a = static_cast<std::size_t>(about < 0 ? random.below(attribute_count) : about);
    s.level[a] = random.uniform();
    result.about[a] = true;
  }
  result.image = render(s);
  result.level = s.level;
  return result;
}

}  // namespace progression
