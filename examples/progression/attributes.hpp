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
      nouns;          ///< what prompts and captions call it; singular, so that "the … grows" reads well
  float natural_low;  ///< range of the level in scenes that are about something else
  float natural_high;
};

// The natural ranges are narrow enough for every other attribute to stay legible at 16 × 16 pixels.
inline constexpr std::array<attribute, 8> attributes{{
    {.name = "brightness", .nouns = {"brightness", "light"}, .natural_low = 0.65F, .natural_high = 0.90F},
    {.name = "fog density", .nouns = {"fog", "mist"}, .natural_low = 0.00F, .natural_high = 0.15F},
    {.name = "ice", .nouns = {"ice", "frost"}, .natural_low = 0.00F, .natural_high = 0.10F},
    {.name = "snow cover", .nouns = {"snow", "snowfall"}, .natural_low = 0.00F, .natural_high = 0.10F},
    {.name = "cloud cover", .nouns = {"cloud", "overcast"}, .natural_low = 0.10F, .natural_high = 0.30F},
    {.name = "sun height", .nouns = {"sun", "sunshine"}, .natural_low = 0.55F, .natural_high = 0.85F},
    {.name = "water level", .nouns = {"flood", "flooding"}, .natural_low = 0.30F, .natural_high = 0.60F},
    {.name = "rain", .nouns = {"rain", "rainfall"}, .natural_low = 0.00F, .natural_high = 0.10F},
}};
inline constexpr int attribute_count = static_cast<int>(attributes.size());

/// Indices into `attributes`.
enum attribute_index : int { brightness, fog, ice, snow, cloud, sun, water, rain };

/// One kind of landscape, with the nouns that prompts use for it; captions use the first.
struct place {
  std::string_view name;
  std::array<std::string_view, 2> nouns;
};

inline constexpr std::array<place, 5> places{{
    {.name = "lake", .nouns = {"lake", "pond"}},
    {.name = "coast", .nouns = {"coast", "shore"}},
    {.name = "mountain", .nouns = {"mountain", "peak"}},
    {.name = "forest", .nouns = {"forest", "wood"}},
    {.name = "river", .nouns = {"river", "stream"}},
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
