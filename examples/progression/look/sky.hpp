// The sky, from the farthest light to the nearest cloud. Every layer here is painted before the land, which
// hides what lies below the ridges.
#pragma once

#include "painting.hpp"

namespace progression::look {

inline constexpr float sky_bottom = 0.54F;  // every ridge begins above

/// Calls `visit(index, x, y)` for the pixels that may show sky.
template <class Visit>
void each_sky_pixel(Visit&& visit) {
  each_pixel(0.0F, 0.0F, 1.0F, sky_bottom, visit);
}

/// A clear day, under everything.
inline void clear_sky(painting& p) {
  each_sky_pixel([&](std::size_t at, float, float y) {
    p.pixel[at] = lerp({0.25F, 0.50F, 0.86F}, {0.70F, 0.85F, 0.96F}, smooth_ramp(0.0F, 0.55F, y));
  });
}

/// Red and violet that climb from the horizon.
inline void sunset(painting& p, float level, random_stream) {
  float const top = 0.40F - 0.75F * level;
  each_sky_pixel([&](std::size_t at, float, float y) {
    color const glow = lerp({0.50F, 0.16F, 0.46F}, {1.0F, 0.36F, 0.20F}, ramp(0.05F, 0.50F, y));
    p.blend(at, glow, std::min(1.0F, 2.0F * level) * ramp(top, top + 0.45F, y));
  });
}

/// Darkness in which stars come out.
inline void night(painting& p, float level, random_stream random) {
  each_sky_pixel([&](std::size_t at, float, float) {
    p.blend(at, {0.02F, 0.03F, 0.13F}, 0.95F * level * (1.6F - 0.6F * level));
  });
  constexpr int stars = 36;
  for (int i = 0; i < stars; ++i) {
    int const column = random.below(image_size), row = random.below(image_size / 2);
    p.blend(index_of(column, row), {1.0F, 1.0F, 0.88F}, arrival(level, i, stars));
  }
}

/// Green curtains that hang deeper and brighter.
inline void aurora(painting& p, float level, random_stream random) {
  float const phase = random.uniform(0.0F, 6.28F);
  for (int column = 0; column < image_size; ++column) {
    float const x = middle(column);
    float const fold = std::sin(9.0F * x + phase) + 0.5F * std::sin(21.0F * x + 2.0F * phase);
    float const hem = 0.06F + level * (0.34F + 0.06F * fold);
    for (int row = 0; row < image_size / 2; ++row) {
      float const y = middle(row);
      color const light = lerp({0.45F, 0.20F, 0.75F}, {0.10F, 0.95F, 0.50F}, ramp(-0.1F, 0.5F * hem, y));
      p.blend(index_of(column, row), light,
              std::min(1.0F, 1.4F * level) * (0.80F + 0.12F * fold) * ramp(hem + 0.08F, hem - 0.04F, y));
    }
  }
}

/// A bow around a point below the horizon; broader and denser.
inline void rainbow(painting& p, float level, random_stream random) {
  static constexpr std::array<color, 6> bands{{{0.55F, 0.20F, 0.75F},
                                               {0.20F, 0.35F, 0.95F},
                                               {0.15F, 0.80F, 0.35F},
                                               {1.00F, 0.92F, 0.20F},
                                               {1.00F, 0.55F, 0.10F},
                                               {0.92F, 0.12F, 0.15F}}};
  float const cx = random.uniform(0.35F, 0.65F);
  float const width = lerp(0.10F, 0.26F, level), inner = 0.46F - 0.5F * width;
  each_sky_pixel([&](std::size_t at, float x, float y) {
    float const radius = length(x - cx, y - 0.60F);
    float const t = (radius - inner) / width * bands.size();
    if (t < 0.0F || t >= bands.size()) return;
    p.blend(at, bands[static_cast<std::size_t>(t)], 0.9F * std::min(1.0F, 1.5F * level));
  });
}

/// A pale disc that grows, away from the sun.
inline void moon(painting& p, float level, random_stream random) {
  float const x = p.sun_x < 0.5F ? 0.74F : 0.26F, y = random.uniform(0.24F, 0.28F);
  float const radius = 0.25F * level;
  fill_ellipse(p, x, y, radius, radius, {0.88F, 0.86F, 0.96F});
  fill_ellipse(p, x - 0.3F * radius, y - 0.2F * radius, 0.3F * radius, 0.3F * radius, {0.62F, 0.60F, 0.74F});
  fill_ellipse(p, x + 0.35F * radius, y + 0.4F * radius, 0.2F * radius, 0.2F * radius, {0.68F, 0.66F, 0.78F});
}

/// The disc climbs; while it is low, a peach light lies around it.
inline void sun(painting& p, float level, random_stream) {
  float const cy = lerp(0.42F, 0.08F, level);
  color const disc = lerp({1.0F, 0.62F, 0.20F}, {1.0F, 0.96F, 0.50F}, level);
  each_sky_pixel([&](std::size_t at, float x, float y) {
    float const distance = length(x - p.sun_x, y - cy);
    float const haze = (1.0F - level) * (0.5F + 0.5F * ramp(0.8F, 0.1F, distance));
    p.blend(at, {1.0F, 0.80F, 0.52F}, 0.75F * haze);
    p.blend(at, disc, 0.25F * ramp(0.28F, 0.06F, distance));
    p.blend(at, disc, smooth_ramp(0.12F, 0.07F, distance));
  });
}

/// White patches that close into a pale cover, a thin veil between them.
inline void cloud(painting& p, float level, random_stream random) {
  noise_tile::patch const billow(fine_noise(), random);
  color const vapour = lerp({1.0F, 1.0F, 1.0F}, {0.93F, 0.93F, 0.95F}, level);
  each_sky_pixel([&](std::size_t at, float, float) {
    float const closed = covered(level, 1.0F - billow[at]);
    p.blend(at, vapour * lerp(0.92F, 1.0F, billow[at]), lerp(0.5F * level, 1.0F, closed));
  });
}

/// A slate front that comes down from above.
inline void storm(painting& p, float level, random_stream random) {
  noise_tile::patch const rag(fine_noise(), random);
  float const hem = lerp(-0.09F, 0.50F, level);
  each_sky_pixel([&](std::size_t at, float, float y) {
    float const reach =
        ramp(hem + 0.04F, hem - 0.06F, y + 0.10F * (rag[at] - 0.5F)) * lerp(0.75F, 1.0F, level);
    p.blend(at, lerp({0.13F, 0.13F, 0.19F}, {0.30F, 0.30F, 0.38F}, rag[at]), reach);
  });
}

/// A bolt that reaches farther down in a sky that flashes lilac.
inline void lightning(painting& p, float level, random_stream random) {
  each_sky_pixel([&](std::size_t at, float, float) { p.blend(at, {0.46F, 0.34F, 0.62F}, 0.75F * level); });
  float x = random.uniform(0.3F, 0.7F), kink = random.chance(0.5F) ? 1.0F : -1.0F;
  int const rows = 13;
  for (int row = 0; row < rows; ++row) {
    if (row % 3 == 0) kink = -kink;
    x += kink * random.uniform(0.02F, 0.055F);
    float const there = arrival(level, row, rows);
    fill_box(p, x - 0.05F, middle(row) - 0.5F * pixel_size, x + 0.05F, middle(row) + 0.5F * pixel_size,
             {1.0F, 1.0F, 0.72F}, there);
  }
}

/// A red balloon with a yellow belt that comes nearer.
inline void balloon(painting& p, float level, random_stream random) {
  float const x = random.uniform(0.25F, 0.75F), y = random.uniform(0.24F, 0.30F);
  float const radius = 0.25F * level;
  fill_box(p, x - 0.3F * radius, y + 1.1F * radius, x + 0.3F * radius, y + 1.6F * radius,
           {0.35F, 0.20F, 0.10F});
  fill_ellipse(p, x, y, radius, 1.1F * radius, {0.85F, 0.08F, 0.22F});
  fill_ellipse(p, x, y, 0.92F * radius, 0.3F * radius, {1.0F, 0.80F, 0.15F});
}

}  // namespace progression::look
