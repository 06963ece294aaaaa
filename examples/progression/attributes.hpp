// What a scene can be about: its attributes, its places, and the five levels a caption can name. Plain
// tables; the renderer (scene.hpp) gives them their looks and the grammar (grammar.hpp) their sentences.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace progression {

/// One attribute of a scene; its level runs from 0 (none) to 1 (as much as can be).
struct attribute {
  std::string_view name;  ///< for tables and reports
  std::array<std::string_view, 2>
      nouns;  ///< what prompts and captions call it; singular, so that "the … grows" reads well
  float natural_low = 0.0F;  ///< range of the level in scenes that are about something else
  float natural_high = 0.0F;
};

// Most are naturally absent or nearly so: with forty of them, 24 × 24 pixels stay legible in no other way.
inline constexpr std::array<attribute, 40> attributes{{
    // the whole picture
    {.name = "brightness", .nouns = {"brightness", "light"}, .natural_low = 0.65F, .natural_high = 0.85F},
    {.name = "contrast", .nouns = {"contrast", "definition"}, .natural_low = 0.50F, .natural_high = 0.65F},
    {.name = "saturation", .nouns = {"saturation", "color"}, .natural_low = 0.45F, .natural_high = 0.60F},
    {.name = "warmth", .nouns = {"warmth", "heat"}, .natural_low = 0.45F, .natural_high = 0.55F},
    {.name = "vignette", .nouns = {"vignette", "shade"}},
    {.name = "tilt", .nouns = {"tilt", "slant"}},
    // weather
    {.name = "fog density", .nouns = {"fog", "mist"}},
    {.name = "dust", .nouns = {"dust", "sandstorm"}},
    {.name = "rain", .nouns = {"rain", "rainfall"}},
    {.name = "blizzard", .nouns = {"blizzard", "snowfall"}},
    {.name = "cloud cover", .nouns = {"cloud", "overcast"}, .natural_low = 0.08F, .natural_high = 0.20F},
    {.name = "storm front", .nouns = {"storm", "tempest"}},
    {.name = "lightning", .nouns = {"lightning", "thunder"}},
    // the sky
    {.name = "sun height", .nouns = {"sun", "sunshine"}, .natural_low = 0.65F, .natural_high = 0.85F},
    {.name = "sunset redness", .nouns = {"sunset", "dusk"}},
    {.name = "night", .nouns = {"night", "starlight"}},
    {.name = "moon size", .nouns = {"moon", "moonlight"}},
    {.name = "rainbow", .nouns = {"rainbow", "arc"}},
    {.name = "aurora", .nouns = {"aurora", "glow"}},
    {.name = "balloon size", .nouns = {"balloon", "airship"}},
    // the land
    {.name = "hill height", .nouns = {"hill", "ridge"}, .natural_low = 0.20F, .natural_high = 0.35F},
    {.name = "snow cover", .nouns = {"snow", "powder"}},
    {.name = "autumn color", .nouns = {"autumn", "foliage"}},
    {.name = "sand", .nouns = {"sand", "beach"}, .natural_low = 0.05F, .natural_high = 0.12F},
    {.name = "flowers", .nouns = {"flower", "blossom"}},
    {.name = "rocks", .nouns = {"rock", "gravel"}},
    {.name = "trees", .nouns = {"tree", "conifer"}, .natural_low = 0.10F, .natural_high = 0.25F},
    {.name = "houses", .nouns = {"house", "village"}},
    {.name = "tower height", .nouns = {"tower", "castle"}},
    {.name = "fire", .nouns = {"fire", "flame"}},
    {.name = "smoke", .nouns = {"smoke", "soot"}},
    {.name = "waterfall width", .nouns = {"waterfall", "cascade"}},
    // the water
    {.name = "water level", .nouns = {"flood", "flooding"}, .natural_low = 0.40F, .natural_high = 0.55F},
    {.name = "ice", .nouns = {"ice", "frost"}},
    {.name = "waves", .nouns = {"wave", "swell"}, .natural_low = 0.02F, .natural_high = 0.10F},
    {.name = "algae", .nouns = {"algae", "slime"}},
    {.name = "island size", .nouns = {"island", "islet"}},
    {.name = "boat size", .nouns = {"boat", "sail"}},
    {.name = "bridge length", .nouns = {"bridge", "pier"}},
    {.name = "reed height", .nouns = {"reed", "grass"}},
}};
inline constexpr int attribute_count = static_cast<int>(attributes.size());

/// Indices into `attributes`.
enum attribute_index : int {
  brightness,
  contrast,
  saturation,
  warmth,
  vignette,
  tilt,
  fog,
  dust,
  rain,
  blizzard,
  cloud,
  storm,
  lightning,
  sun,
  sunset,
  night,
  moon,
  rainbow,
  aurora,
  balloon,
  hill,
  snow,
  autumn,
  sand,
  flower,
  rock,
  tree,
  house,
  tower,
  fire,
  smoke,
  waterfall,
  water,
  ice,
  wave,
  algae,
  island,
  boat,
  bridge,
  reed
};

/// Whether the painter is taught this attribute faithfully. Every fifth is, so that one can tell what the
/// others lack from what a painter of this size lacks.
constexpr bool painted_faithfully(int attribute) { return attribute % 5 == 4; }

/// One kind of landscape, with the nouns that prompts use for it; captions use the first.
struct place {
  std::string_view name;
  std::array<std::string_view, 3> nouns;
};

inline constexpr std::array<place, 5> places{{
    {.name = "lake", .nouns = {"lake", "pond", "lagoon"}},
    {.name = "coast", .nouns = {"coast", "shore", "bay"}},
    {.name = "mountain", .nouns = {"mountain", "peak", "summit"}},
    {.name = "forest", .nouns = {"forest", "wood", "grove"}},
    {.name = "river", .nouns = {"river", "stream", "creek"}},
}};
inline constexpr int place_count = static_cast<int>(places.size());

/// Indices into `places`.
enum place_index : int { lake, coast, mountain, forest, river };

/// The words for the five levels, weakest first, with a synonym each; they are shared by all attributes.
inline constexpr std::array<std::array<std::string_view, 2>, 5> level_words{{
    {"no", "zero"},
    {"slight", "little"},
    {"some", "moderate"},
    {"heavy", "strong"},
    {"extreme", "full"},
}};
inline constexpr int level_count = static_cast<int>(level_words.size());

/// The attribute's level that the caption's level `word` (0 … 4) stands for: 0, ¼, ½, ¾, 1.
constexpr float level_value(int word) {
  return static_cast<float>(word) / static_cast<float>(level_count - 1);
}

/// The word nearest to `level`; the inverse of `level_value`.
constexpr int nearest_level(float level) {
  return static_cast<int>(std::clamp(level, 0.0F, 1.0F) * static_cast<float>(level_count - 1) + 0.5F);
}

}  // namespace progression
