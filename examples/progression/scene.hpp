// The world: 16 × 16 landscapes drawn from a place, one level per attribute and a seed. Sky, sun, clouds, two
// ranges of hills, a shore, water, then weather over all of it, painter's algorithm, one pixel at a time.
// Every attribute has a look of its own over its whole range while the others stay natural, so that a small
// network can read it off the picture; tests/examples/scene.cpp holds the renderer to that.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "attributes.hpp"
#include "random.hpp"

namespace progression {

inline constexpr int image_size = 16;
inline constexpr int image_channels = 3;
inline constexpr std::size_t image_values = std::size_t{image_size} * image_size * image_channels;

/// Height × width × RGB, rows from the top, values in [−1, 1].
using picture = std::array<float, image_values>;

/// Everything the renderer needs; equal scenes give equal pictures.
struct scene {
  int place = lake;
  std::array<float, attribute_count> level{};
  std::uint64_t seed = 0;  ///< the shape of hills, shore, clouds, floes and streaks, and where the sun stands
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

struct color {
  float r, g, b;
};

constexpr float lerp(float a, float b, float t) { return a + (b - a) * t; }
constexpr color lerp(color a, color b, float t) {
  return {lerp(a.r, b.r, t), lerp(a.g, b.g, t), lerp(a.b, b.b, t)};
}
constexpr color operator*(color a, float s) { return {a.r * s, a.g * s, a.b * s}; }

/// 0 below `low`, 1 above `high`, the cubic Hermite step between.
constexpr float smoothstep(float low, float high, float x) {
  float const t = std::clamp((x - low) / (high - low), 0.0F, 1.0F);
  return t * t * (3.0F - 2.0F * t);
}

/// Value noise in [0, 1): random values at the integer lattice, smoothly interpolated. x, y ≥ 0.
inline float noise(std::uint64_t seed, float x, float y) {
  auto const i = static_cast<std::uint64_t>(x);
  auto const j = static_cast<std::uint64_t>(y);
  float const u = smoothstep(0.0F, 1.0F, x - static_cast<float>(i));
  float const v = smoothstep(0.0F, 1.0F, y - static_cast<float>(j));
  auto const at = [&](std::uint64_t a, std::uint64_t b) {
    return unit(mix(seed ^ (a * 0x10001U + (b << 40U))));
  };
  return lerp(lerp(at(i, j), at(i + 1, j), u), lerp(at(i, j + 1), at(i + 1, j + 1), u), v);
}

/// The value that a share of about `level` of this file's noise mixtures lies above: a fit of their
/// quantiles, so that cover grows evenly with the level, from nothing at 0 to everything at 1.
constexpr float cut_off(float level) {
  float const u = 2.0F * level - 1.0F;
  float const u2 = u * u;
  return 0.5F - u * (0.22F + 0.10F * u2 + 0.20F * u2 * u2 * u2 * u2);
}

/// A tooth between 0 and 1 that repeats `count` times over x in [0, 1].
inline float tooth(float x, float count) {
  float const t = x * count;
  return 1.0F - std::abs(2.0F * (t - std::floor(t)) - 1.0F);
}

/// One scene with its seed unfolded; coordinates run over [0, 1], y downwards.
class painter_of_scenes {
 public:
  explicit painter_of_scenes(scene const& s)
      : scene_(s),
        hills_(mix(s.seed, 1)),
        clouds_(mix(s.seed, 2)),
        floes_(mix(s.seed, 3)),
        drifts_(mix(s.seed, 4)),
        streaks_(mix(s.seed, 5)) {
    random_stream random(mix(s.seed, 6));
    sun_x_ = random.uniform(0.2F, 0.8F);
    phase_ = random.uniform();
    slant_ = random.chance(0.5F) ? 0.16F : -0.16F;
    grass_ = lerp(color{0.30F, 0.50F, 0.20F}, color{0.42F, 0.55F, 0.24F}, random.uniform());
  }

  [[nodiscard]] color pixel(int column, int row) const {
    float const x = (static_cast<float>(column) + 0.5F) / image_size;
    float const y = (static_cast<float>(row) + 0.5F) / image_size;
    float const far = edge(far_ridge(x), y);
    float const near = edge(near_ridge(x), y);
    float const flooded = wet(x, y);
    // Layers from the back to the front; those that something nearer hides wholly are not drawn.
    color c{};
    if (far < 1.0F && near < 1.0F && flooded < 1.0F) c = sky(x, y);
    if (far > 0.0F && near < 1.0F && flooded < 1.0F) c = lerp(c, land(x, y, far_ridge(x), far_color()), far);
    if (near > 0.0F && flooded < 1.0F) c = lerp(c, land(x, y, near_ridge(x), near_color()), near);
    if (flooded > 0.0F) c = lerp(c, surface(x, y), flooded);
    float const depth =
        lerp(lerp(1.0F, 0.8F, far), 0.8F * (1.0F - y), near);  // 1 is the sky, 0 the nearest bank
    return exposed(rained(fogged(c, depth), column, row));
  }

 private:
  [[nodiscard]] float level(attribute_index a) const { return scene_.level[static_cast<std::size_t>(a)]; }

  /// Coverage of the region below the line y = ridge, softened over about one pixel.
  static float edge(float ridge, float y) {
    return smoothstep(-0.5F / image_size, 0.5F / image_size, y - ridge);
  }

  /// 0 at sunset, 1 at noon, as the colours of sky and water follow the sun.
  static float daylight(float height) { return height * (1.6F - 0.6F * height); }

  [[nodiscard]] color sky(float x, float y) const {
    float const height = level(sun);
    float const noon = daylight(height);
    color const zenith = lerp(color{0.28F, 0.27F, 0.50F}, color{0.22F, 0.47F, 0.86F}, noon);
    color const horizon = lerp(color{0.98F, 0.55F, 0.30F}, color{0.68F, 0.84F, 0.97F}, noon);
    color c = lerp(zenith, horizon, smoothstep(0.0F, 0.55F, y));

    float const cover = level(cloud);
    float const billow =
        0.65F * noise(clouds_, 4.0F * x, 9.0F * y) + 0.35F * noise(clouds_ + 1, 9.0F * x, 16.0F * y);
    float const cut = cut_off(cover);
    color const vapour = lerp(color{0.97F, 0.97F, 0.98F}, color{0.70F, 0.72F, 0.76F}, cover);
    c = lerp(c, vapour, smoothstep(cut - 0.09F, cut + 0.09F, billow));

    float const dx = x - sun_x_;
    float const dy = y - lerp(0.48F, 0.09F, height);
    float const distance = std::sqrt(dx * dx + dy * dy);
    color const disc = lerp(color{1.0F, 0.45F, 0.12F}, color{1.0F, 0.95F, 0.45F}, noon);
    c = lerp(c, disc, 0.35F * (1.0F - smoothstep(0.05F, 0.28F, distance)));
    return lerp(c, disc, 1.0F - smoothstep(0.06F, 0.12F, distance));
  }

  [[nodiscard]] float far_ridge(float x) const {
    float const roll = noise(hills_, 3.0F * x, 0.0F);
    switch (scene_.place) {
      case coast:
        return 0.52F - 0.04F * roll;
      case mountain:
        return 0.50F - 0.34F * tooth(x + phase_, 1.6F) * lerp(0.6F, 1.0F, roll);
      case forest:
        return 0.50F - 0.08F * roll;
      default:
        return 0.50F - 0.16F * roll;
    }
  }

  [[nodiscard]] float near_ridge(float x) const {
    float const roll = noise(hills_ + 1, 2.0F * x, 0.0F);
    switch (scene_.place) {
      case coast:
        return 0.60F - 0.3F * smoothstep(0.1F, 0.5F, slant_ * 6.0F * (x - 0.5F)) + 0.04F * roll;
      case forest:
        return 0.56F - 0.22F * tooth(x + phase_, 5.0F) * lerp(0.5F, 1.0F, roll);
      default:
        return 0.60F - 0.08F * roll;
    }
  }

  [[nodiscard]] color far_color() const {
    return scene_.place == mountain ? color{0.42F, 0.40F, 0.44F} : color{0.34F, 0.46F, 0.44F};
  }

  [[nodiscard]] color near_color() const {
    if (scene_.place == coast) return {0.80F, 0.69F, 0.45F};
    if (scene_.place == forest) return {0.10F, 0.30F, 0.17F};
    return grass_;
  }

  /// Ground of the given colour, snowed in from the crest downwards in drifts.
  [[nodiscard]] color land(float x, float y, float ridge, color ground) const {
    float const grain = noise(drifts_, 8.0F * x, 8.0F * y);
    float const crest = 1.0F - std::clamp((y - ridge) / 0.4F, 0.0F, 1.0F);
    float const hold = 0.65F * grain + 0.35F * crest;
    float const cut =
        cut_off(level(snow)) + 0.08F;  // crests hold more snow than the mixtures of the fit have
    color const c = ground * lerp(0.88F, 1.12F, noise(drifts_ + 1, 8.0F * x, 12.0F * y));
    return lerp(c, color{0.95F, 0.96F, 0.99F}, smoothstep(cut - 0.06F, cut + 0.06F, hold));
  }

  /// Coverage of the pixel by water; the level raises the shore, and widens the river.
  [[nodiscard]] float wet(float x, float y) const {
    float const wobble = 0.03F * (noise(hills_ + 2, 5.0F * x, 0.0F) - 0.5F);
    float const rise = level(water);
    float const centred = 2.0F * x - 1.0F;
    float shore = lerp(0.94F, 0.50F, rise) + wobble;
    if (scene_.place == lake) shore += 0.07F * centred * centred;
    if (scene_.place == coast) shore += slant_ * (x - 0.5F) * lerp(0.2F, 0.6F, rise);
    if (scene_.place == river) {
      float const centre = 0.5F + 0.45F * (noise(hills_ + 3, 0.5F, 4.0F * y) - 0.5F);
      float const half_width = lerp(0.10F, 0.75F, rise) * (y - 0.45F) / 0.55F;
      return edge(0.58F, y) * smoothstep(-0.04F, 0.04F, half_width - std::abs(x - centre));
    }
    return edge(shore, y);
  }

  [[nodiscard]] color surface(float x, float y) const {
    float const noon = daylight(level(sun));
    color const deep = lerp(color{0.20F, 0.18F, 0.34F}, color{0.06F, 0.24F, 0.46F}, noon);
    color const shallow = lerp(color{0.52F, 0.32F, 0.34F}, color{0.16F, 0.44F, 0.62F}, noon);
    color const ripple = lerp(deep, shallow, noise(floes_ + 1, 4.0F * x, 20.0F * y));
    float const floe =
        0.75F * noise(floes_, 6.0F * x, 12.0F * y) + 0.25F * noise(floes_ + 2, 16.0F * x, 16.0F * y);
    float const cut = cut_off(level(ice));
    return lerp(ripple, color{0.80F, 0.93F, 0.98F}, smoothstep(cut - 0.06F, cut + 0.06F, floe));
  }

  [[nodiscard]] color fogged(color c, float depth) const {
    return lerp(c, color{0.77F, 0.79F, 0.81F}, level(fog) * lerp(0.78F, 0.97F, depth));
  }

  /// Slanting streaks, up to four pixels long, before a scene that darkens with the shower.
  [[nodiscard]] color rained(color c, int column, int row) const {
    float const shower = level(rain);
    auto const lane = static_cast<std::uint64_t>(2 * image_size + column + row / 2);
    auto const slot = (static_cast<std::uint64_t>(row) + mix(streaks_, lane) % 4) / 4;
    bool const dry = lane % 3 != 0;  // between two streaks the scene stays visible
    float const drop = dry ? 2.0F : unit(mix(streaks_ + 1, lane * 64 + slot));
    c = lerp(c, color{0.36F, 0.41F, 0.50F}, 0.55F * shower);
    return lerp(c, color{0.74F, 0.83F, 0.98F},
                0.75F * smoothstep(drop - 0.05F, drop + 0.05F, 0.95F * shower - 0.05F));
  }

  [[nodiscard]] color exposed(color c) const {
    float const gain = lerp(0.20F, 1.08F, level(brightness));
    return c * gain;
  }

  scene scene_;
  std::uint64_t hills_, clouds_, floes_, drifts_, streaks_;
  float sun_x_ = 0.5F;
  float phase_ = 0.0F;
  float slant_ = 0.0F;
  color grass_{};
};

}  // namespace detail

/// The picture of `s`. Deterministic; about 40 µs.
inline picture render(scene const& s) {
  detail::painter_of_scenes const painter(s);
  picture result{};
  std::size_t at = 0;
  for (int row = 0; row < image_size; ++row)
    for (int column = 0; column < image_size; ++column) {
      detail::color const c = painter.pixel(column, row);
      for (float const value : {c.r, c.g, c.b}) result[at++] = 2.0F * std::clamp(value, 0.0F, 1.0F) - 1.0F;
    }
  return result;
}

}  // namespace progression
