// What the layers of a picture paint on: 24 × 24 colours, with the lie of land and water beside them, and a
// few strokes. Coordinates run over [0, 1], x to the right, y downwards; edges are soft over one pixel, so
// that whatever grows with a level grows evenly.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "../attributes.hpp"
#include "../random.hpp"

namespace progression {

inline constexpr int image_size = 24;
inline constexpr int image_channels = 3;
inline constexpr std::size_t image_pixels = std::size_t{image_size} * image_size;
inline constexpr std::size_t image_values = image_pixels * image_channels;

}  // namespace progression

namespace progression::look {

inline constexpr float pixel_size = 1.0F / image_size;

struct color {
  float r, g, b;
};

constexpr float lerp(float a, float b, float t) { return a + (b - a) * t; }
constexpr color lerp(color a, color b, float t) {
  return {lerp(a.r, b.r, t), lerp(a.g, b.g, t), lerp(a.b, b.b, t)};
}
constexpr color operator*(color a, float s) { return {a.r * s, a.g * s, a.b * s}; }

/// 0 at `from` and before it, 1 at `to` and beyond it, linear between; `to` may be the smaller.
constexpr float ramp(float from, float to, float x) {
  return std::clamp((x - from) / (to - from), 0.0F, 1.0F);
}

/// As `ramp`, with the cubic Hermite step between.
constexpr float smooth_ramp(float from, float to, float x) {
  float const t = ramp(from, to, x);
  return t * t * (3.0F - 2.0F * t);
}

/// A tooth between 0 and 1 that repeats `count` times over x in [0, 1].
inline float tooth(float x, float count) {
  float const t = x * count;
  return 1.0F - std::abs(2.0F * (t - std::floor(t)) - 1.0F);
}

/// The middle of a pixel, from its column or row.
constexpr float middle(int index) { return (static_cast<float>(index) + 0.5F) * pixel_size; }

/// A scene's seed unfolded into what several layers share, and the picture as it grows.
struct painting {
  int place;
  float sun_x;    ///< where the sun stands; the moon keeps away from it
  float leaning;  ///< −1 or 1: to which side the coast rises
  std::array<color, image_pixels> pixel{};
  std::array<float, image_size> bank{};     ///< y of each column's near crest
  std::array<float, image_pixels> land{};   ///< coverage by land and what grows on it
  std::array<float, image_pixels> water{};  ///< coverage by water
  std::array<float, image_pixels> dry{};    ///< distance from the shore, negative in the water

  void blend(std::size_t at, color c, float opacity) { pixel[at] = lerp(pixel[at], c, opacity); }
};

constexpr std::size_t index_of(int column, int row) {
  return static_cast<std::size_t>(row * image_size + column);
}

/// Calls `visit(index, x, y)` for every pixel whose middle lies within the box.
template <class Visit>
void each_pixel(float left, float top, float right, float bottom, Visit&& visit) {
  auto const first = [](float edge) { return std::max(0, static_cast<int>(edge * image_size)); };
  auto const last = [](float edge) {
    return edge <= 0.0F ? 0 : std::min(image_size, static_cast<int>(edge * image_size) + 1);
  };
  for (int row = first(top); row < last(bottom); ++row)
    for (int column = first(left); column < last(right); ++column)
      visit(index_of(column, row), middle(column), middle(row));
}

template <class Visit>
void each_pixel(Visit&& visit) {
  for (int row = 0; row < image_size; ++row)
    for (int column = 0; column < image_size; ++column)
      visit(index_of(column, row), middle(column), middle(row));
}

/// The share of the pixel around `at` that lies between `low` and `high`, along one axis.
constexpr float overlap(float at, float low, float high) {
  float const half = 0.5F * pixel_size;
  return std::clamp((std::min(at + half, high) - std::max(at - half, low)) * image_size, 0.0F, 1.0F);
}

/// An axis-parallel rectangle.
inline void fill_box(painting& p, float left, float top, float right, float bottom, color c,
                     float opacity = 1.0F) {
  each_pixel(left, top, right, bottom, [&](std::size_t at, float x, float y) {
    p.blend(at, c, opacity * overlap(x, left, right) * overlap(y, top, bottom));
  });
}

/// The distance of (x, y) from the origin.
inline float length(float x, float y) { return std::sqrt(x * x + y * y); }

/// An ellipse of half axes `rx` and `ry`; one smaller than a pixel is fainter.
inline void fill_ellipse(painting& p, float cx, float cy, float rx, float ry, color c) {
  float const soft = pixel_size, opacity = std::min(1.0F, 2.0F * std::min(rx, ry) * image_size);
  each_pixel(cx - rx - soft, cy - ry - soft, cx + rx + soft, cy + ry + soft,
             [&](std::size_t at, float x, float y) {
               float const u = (x - cx) / (rx + 1e-3F), v = (y - cy) / (ry + 1e-3F);
               float const inside = (1.0F - length(u, v)) * std::min(rx, ry);
               p.blend(at, c, opacity * ramp(-0.5F * soft, 0.5F * soft, inside));
             });
}

/// An upright isosceles triangle on a base of 2 × `half_width` at y = `bottom`. Reports each covered pixel.
template <class Visit>
void each_in_triangle(float cx, float bottom, float half_width, float height, Visit&& visit) {
  each_pixel(
      cx - half_width, bottom - height, cx + half_width, bottom, [&](std::size_t at, float x, float y) {
        float const reach = half_width * std::clamp((y - bottom + height) / (height + 1e-3F), 0.0F, 1.0F);
        visit(at, overlap(x, cx - reach, cx + reach) * overlap(y, bottom - height, bottom));
      });
}

inline void fill_triangle(painting& p, float cx, float bottom, float half_width, float height, color c) {
  each_in_triangle(cx, bottom, half_width, height,
                   [&](std::size_t at, float covered) { p.blend(at, c, covered); });
}

/// The size of the `i`-th of `count` things that come one after another as `level` rises: 0 to 1.
constexpr float arrival(float level, int i, int count) {
  return std::clamp(level * static_cast<float>(count) - static_cast<float>(i), 0.0F, 1.0F);
}

/// Positions in [margin, 1 − margin], one for each of `Count` things: evenly spread, jittered, in random
/// order.
template <int Count>
std::array<float, Count> scatter(random_stream& random, float margin) {
  std::array<float, Count> x{};
  for (int i = 0; i < Count; ++i)
    x[static_cast<std::size_t>(i)] =
        lerp(margin, 1.0F - margin, (static_cast<float>(i) + random.uniform(0.25F, 0.75F)) / Count);
  for (int i = Count - 1; i > 0; --i)
    std::swap(x[static_cast<std::size_t>(i)], x[static_cast<std::size_t>(random.below(i + 1))]);
  return x;
}

/// A square of smooth noise that repeats, made once. Its values are spread evenly over [0, 1]: the share of
/// it below `level` is `level`, so that cover grows evenly.
class noise_tile {
 public:
  static constexpr int size = 64;

  /// `cell_width` × `cell_height`: distance of the random values in pixels, a power of two.
  noise_tile(std::uint64_t seed, int cell_width, int cell_height) {
    auto const octave = [&](int column, int row, int width, int height) {
      auto const at = [&](int i, int j) {
        auto const wrapped = static_cast<std::uint64_t>(j * height % size * size + i * width % size);
        return unit(mix(seed + static_cast<std::uint64_t>(width), wrapped));
      };
      int const i = column / width, j = row / height;
      float const u = smooth_ramp(0.0F, 1.0F, static_cast<float>(column % width) / static_cast<float>(width));
      float const v = smooth_ramp(0.0F, 1.0F, static_cast<float>(row % height) / static_cast<float>(height));
      return lerp(lerp(at(i, j), at(i + 1, j), u), lerp(at(i, j + 1), at(i + 1, j + 1), u), v);
    };
    std::array<float, size * size> raw{};
    for (int row = 0; row < size; ++row)
      for (int column = 0; column < size; ++column)
        raw[static_cast<std::size_t>(row * size + column)] =
            0.7F * octave(column, row, cell_width, cell_height) +
            0.3F * octave(column, row, std::max(1, cell_width / 2), std::max(1, cell_height / 2));
    std::vector<std::size_t> order(raw.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return raw[a] < raw[b]; });
    for (std::size_t rank = 0; rank < order.size(); ++rank)
      value_[order[rank]] = (static_cast<float>(rank) + 0.5F) / static_cast<float>(order.size());
  }

  /// A view from a random corner, indexed by a pixel's index in the picture.
  class patch {
   public:
    patch(noise_tile const& tile, random_stream& random)
        : tile_(tile), column_(random.below(size)), row_(random.below(size)) {}
    float operator[](std::size_t pixel) const {
      int const column = static_cast<int>(pixel) % image_size + column_;
      int const row = static_cast<int>(pixel) / image_size + row_;
      return tile_.value_[static_cast<std::size_t>((row % size) * size + column % size)];
    }

   private:
    noise_tile const& tile_;
    int column_, row_;
  };

 private:
  std::array<float, size * size> value_{};
};

inline noise_tile const& flat_noise() {  // ripples, floes
  static noise_tile const tile(2, 4, 2);
  return tile;
}
inline noise_tile const& fine_noise() {  // clouds, the ground, snow drifts
  static noise_tile const tile(3, 4, 4);
  return tile;
}

/// How much of a place that a `noise` value in [0, 1] marks is covered at `level`: none at 0, all at 1.
constexpr float covered(float level, float noise) {
  constexpr float soft = 0.08F;
  return smooth_ramp(noise - soft, noise + soft, lerp(-soft, 1.0F + soft, level));
}

}  // namespace progression::look
