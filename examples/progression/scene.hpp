// The world: 24 × 24 landscapes made of a place, one level per attribute and a seed. Each attribute has a
// layer, painted from the back to the front; look/ holds them, `detail::layers` their order. Every attribute
// has a look of its own over its whole range while the others stay natural, so that a small network can read
// it off the picture; tests/examples/scene.cpp holds the renderer to that.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "attributes.hpp"
#include "look/land.hpp"
#include "look/lens.hpp"
#include "look/painting.hpp"
#include "look/sky.hpp"
#include "look/water.hpp"
#include "look/weather.hpp"
#include "random.hpp"

namespace progression {

/// Height × width × RGB, rows from the top, values in [−1, 1].
using picture = std::array<float, image_values>;

/// Everything the renderer needs; equal scenes give equal pictures.
struct scene {
  int place = lake;
  std::array<float, attribute_count> level{};
  std::uint64_t seed = 0;  ///< shapes and positions
};

/// A scene at `place` with every attribute at a random level of its natural range.
inline scene natural_scene(int place, random_stream& random) {
  scene result{.place = place, .level = {}, .seed = 0};
  for (std::size_t a = 0; a < attributes.size(); ++a)
    result.level[a] = random.uniform(attributes[a].natural_low, attributes[a].natural_high);
  result.seed = random.bits();
  return result;
}

/// As `natural_scene`, with `attribute` at `level`.
inline scene scene_about(int attribute, float level, int place, random_stream& random) {
  scene result = natural_scene(place, random);
  result.level[static_cast<std::size_t>(attribute)] = level;
  return result;
}

namespace detail {

/// How an attribute looks: `paint` adds it to the picture at a level in [0, 1], its own randomness given. An
/// attribute that is naturally absent paints nothing at 0 and is not asked.
struct layer {
  attribute_index shows;
  void (*paint)(look::painting&, float level, random_stream);
};

/// From the back to the front.
inline constexpr std::array<layer, attribute_count> layers{{
    {sunset, look::sunset},
    {night, look::night},
    {sun, look::sun},
    {cloud, look::cloud},
    {moon, look::moon},
    {aurora, look::aurora},
    {rainbow, look::rainbow},
    {storm, look::storm},
    {lightning, look::lightning},
    {balloon, look::balloon},
    {hill, look::hill},
    {water, look::water},
    {wave, look::wave},
    {algae, look::algae},
    {ice, look::ice},
    {waterfall, look::waterfall},
    {tree, look::tree},
    {autumn, look::autumn},
    {sand, look::sand},
    {flower, look::flower},
    {snow, look::snow},
    {rock, look::rock},
    {house, look::house},
    {tower, look::tower},
    {fire, look::fire},
    {smoke, look::smoke},
    {island, look::island},
    {bridge, look::bridge},
    {boat, look::boat},
    {reed, look::reed},
    {fog, look::fog},
    {dust, look::dust},
    {rain, look::rain},
    {blizzard, look::blizzard},
    {tilt, look::tilt},
    {saturation, look::saturation},
    {warmth, look::warmth},
    {contrast, look::contrast},
    {brightness, look::brightness},
    {vignette, look::vignette},
}};

constexpr bool every_attribute_has_a_layer() {
  for (int a = 0; a < attribute_count; ++a)
    if (std::none_of(layers.begin(), layers.end(), [&](layer const& l) { return l.shows == a; }))
      return false;
  return true;
}
static_assert(every_attribute_has_a_layer());

}  // namespace detail

/// The picture of `s`. Deterministic; about 20 µs.
inline picture render(scene const& s) {
  random_stream shared(s.seed);
  look::painting p{
      .place = s.place, .sun_x = shared.uniform(0.2F, 0.8F), .leaning = shared.chance(0.5F) ? 1.0F : -1.0F};
  look::clear_sky(p);
  for (auto const& [shows, paint] : detail::layers) {
    float const level = s.level[static_cast<std::size_t>(shows)];
    bool const shows_at_zero = attributes[static_cast<std::size_t>(shows)].natural_low > 0.0F;
    if (level > 0.0F || shows_at_zero)
      paint(p, level, random_stream(mix(s.seed, static_cast<std::uint64_t>(shows))));
  }
  picture result{};
  std::size_t at = 0;
  for (look::color const c : p.pixel)
    for (float const value : {c.r, c.g, c.b}) result[at++] = 2.0F * std::clamp(value, 0.0F, 1.0F) - 1.0F;
  return result;
}

}  // namespace progression
