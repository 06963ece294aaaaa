// Weather between the scene and the eye.
#pragma once

#include "painting.hpp"

namespace progression::look {

/// Everything fades into grey, the far sooner than the near.
inline void fog(painting& p, float level, random_stream) {
  each_pixel([&](std::size_t at, float, float y) {
    p.blend(at, {0.80F, 0.82F, 0.84F}, level * lerp(0.95F, 0.80F, ramp(0.5F, 1.0F, y)));
  });
}

/// Ochre drifts that hide the scene.
inline void dust(painting& p, float level, random_stream random) {
  noise_tile::patch const drift(fine_noise(), random);
  each_pixel([&](std::size_t at, float, float) {
    p.blend(at, lerp({0.62F, 0.40F, 0.16F}, {0.84F, 0.62F, 0.32F}, drift[at]),
            level * lerp(0.72F, 0.95F, drift[at]));
  });
}

/// Slanting streaks up to four pixels long, before a scene that darkens with the shower.
inline void rain(painting& p, float level, random_stream random) {
  each_pixel([&](std::size_t at, float, float) { p.blend(at, {0.30F, 0.36F, 0.46F}, 0.60F * level); });
  auto const seed = random.bits();
  for (int row = 0; row < image_size; ++row)
    for (int column = 0; column < image_size; ++column) {
      auto const lane = static_cast<std::uint64_t>(image_size + column + row / 2);
      if (lane % 3 != 0) continue;  // between two streaks the scene stays visible
      auto const slot = (static_cast<std::uint64_t>(row) + mix(seed, lane) % 4) / 4;
      float const drop = unit(mix(seed, lane * 64 + slot));
      p.blend(index_of(column, row), {0.78F, 0.87F, 1.0F}, 0.80F * ramp(drop, drop + 0.06F, 1.06F * level));
    }
}

/// White flakes in the air.
inline void blizzard(painting& p, float level, random_stream random) {
  for (auto& pixel : p.pixel) {
    float const flake = random.uniform();
    pixel = lerp(pixel, {1.0F, 1.0F, 1.0F}, 0.88F * ramp(flake, flake + 0.06F, 0.55F * level));
  }
}

}  // namespace progression::look
