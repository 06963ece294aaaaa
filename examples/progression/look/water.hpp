// The water: its shore, its surface, and what floats on it or spans it.
#pragma once

#include "painting.hpp"

namespace progression::look {

/// The water rises up the shore; a river widens.
inline void water(painting& p, float level, random_stream random) {
  noise_tile::patch const ripples(flat_noise(), random);
  float const bend = random.uniform();
  each_pixel(0.0F, 0.5F, 1.0F, 1.0F, [&](std::size_t at, float x, float y) {
    float const centred = x - 0.5F;
    float const shore = lerp(0.93F, 0.56F, level) + (p.place == lake    ? 0.16F * centred * centred
                                                     : p.place == coast ? 0.14F * p.leaning * centred
                                                                        : 0.0F);
    p.dry[at] = shore - y;
    if (p.place == river) {
      float const middle_line = 0.42F + 0.16F * tooth(y + bend, 1.3F);
      float const half = lerp(0.12F, 0.90F, level) * (y - 0.35F) / 0.65F;
      p.dry[at] = std::max(0.60F - y, std::abs(x - middle_line) - half);
    }
    p.water[at] = ramp(0.5F, -0.5F, p.dry[at] * image_size);
    p.land[at] *= 1.0F - p.water[at];
    p.blend(at, lerp({0.07F, 0.27F, 0.50F}, {0.16F, 0.42F, 0.62F}, ripples[at]), p.water[at]);
  });
  std::fill_n(p.dry.begin(), image_pixels / 2, 0.5F);  // far above any shore
}

/// Calls `visit(index, y)` for the pixels that show water.
template <class Visit>
void each_water_pixel(painting const& p, Visit&& visit) {
  each_pixel(0.0F, 0.5F, 1.0F, 1.0F, [&](std::size_t at, float, float y) {
    if (p.water[at] > 0.0F) visit(at, y);
  });
}

/// Bands of crests and troughs.
inline void wave(painting& p, float level, random_stream random) {
  float const phase = random.uniform(0.0F, 6.28F), skew = random.uniform(-0.5F, 0.5F);
  std::array<float, image_size> lag{};
  for (int column = 0; column < image_size; ++column)
    lag[static_cast<std::size_t>(column)] =
        skew * middle(column) + 0.12F * std::sin(9.0F * middle(column) + phase) + phase;
  each_water_pixel(p, [&](std::size_t at, float y) {
    float const swell = 2.0F * tooth(y + lag[at % image_size] / 7.0F, 7.0F) - 1.0F;
    color const side = swell > 0.0F ? color{0.90F, 0.97F, 1.0F} : color{0.01F, 0.08F, 0.22F};
    p.blend(at, side, p.water[at] * level * 0.85F * std::min(1.0F, 1.5F * std::abs(swell)));
  });
}

/// The water turns green.
inline void algae(painting& p, float level, random_stream random) {
  noise_tile::patch const scum(flat_noise(), random);
  each_water_pixel(p, [&](std::size_t at, float) {
    p.blend(at, lerp({0.24F, 0.46F, 0.04F}, {0.52F, 0.74F, 0.10F}, scum[at]), 0.95F * level * p.water[at]);
  });
}

/// Pale floes that close.
inline void ice(painting& p, float level, random_stream random) {
  noise_tile::patch const floes(flat_noise(), random);
  each_water_pixel(p, [&](std::size_t at, float) {
    p.blend(at, lerp({0.74F, 0.92F, 0.98F}, {0.92F, 0.98F, 1.0F}, floes[at]),
            p.water[at] * covered(level, floes[at]));
  });
}

/// A brown islet with a green top that rises from the water.
inline void island(painting& p, float level, random_stream random) {
  float const x = random.uniform(0.35F, 0.65F), foot = 0.90F;
  float const rx = 0.46F * level, ry = 0.30F * level;
  each_pixel(x - rx, foot - ry - pixel_size, x + rx, foot, [&](std::size_t at, float px, float py) {
    float const u = (px - x) / (rx + 1e-3F), rim = std::sqrt(std::max(0.0F, 1.0F - u * u));
    float const up = (foot - py) / ry;
    p.blend(at, up > 0.45F * rim ? color{0.14F, 0.34F, 0.08F} : color{0.74F, 0.56F, 0.30F},
            overlap(py, foot - ry * rim, foot) * overlap(px, x - rx, x + rx));
  });
}

/// A sailing boat that comes nearer.
inline void boat(painting& p, float level, random_stream random) {
  float const x = random.uniform(0.3F, 0.7F), deck = 0.80F + 0.04F * level;
  float const hull = 0.26F * level;
  for (int i = 0; i < 3; ++i) {
    float const t = static_cast<float>(i) / 3.0F, half = hull * (1.0F - 0.3F * t);
    fill_box(p, x - half, deck + 0.11F * level * t, x + half, deck + 0.11F * level * (t + 0.34F),
             {0.62F, 0.08F, 0.06F});
  }
  fill_triangle(p, x, deck - 0.02F * level, 0.85F * hull, 0.62F * level, {1.0F, 0.99F, 0.95F});
  fill_box(p, x - 0.012F, deck - 0.62F * level, x + 0.012F, deck, {0.30F, 0.20F, 0.12F},
           std::min(1.0F, 4.0F * level));
}

/// A wooden bridge that reaches across from one side.
inline void bridge(painting& p, float level, random_stream random) {
  bool const from_left = random.chance(0.5F);
  float const left = from_left ? 0.0F : 1.0F - level, right = from_left ? level : 1.0F, top = 0.78F;
  for (int post = 0; post < 6; ++post) {
    float const x = (static_cast<float>(post) + 0.5F) / 6.0F;
    if (x > left && x < right) fill_box(p, x - 0.02F, top, x + 0.02F, top + 0.16F, {0.24F, 0.13F, 0.06F});
  }
  fill_box(p, left, top, right, top + 0.085F, {0.50F, 0.28F, 0.12F});
  fill_box(p, left, top - 0.04F, right, top, {0.80F, 0.56F, 0.32F});
}

/// Blades before everything that grow from the lower edge, two columns wide; the scene shows between them.
inline void reed(painting& p, float level, random_stream random) {
  for (int column = 0; column < image_size; column += 3) {
    float const height = level * 0.62F * random.uniform(0.7F, 1.0F), tone = random.uniform();
    float const left = middle(column) - 0.5F * pixel_size;
    fill_box(p, left, 1.0F - height, left + 2 * pixel_size, 1.0F,
             lerp({0.16F, 0.34F, 0.05F}, {0.62F, 0.66F, 0.22F}, tone));
  }
}

}  // namespace progression::look
