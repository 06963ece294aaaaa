// What the camera does to the whole picture.
#pragma once

#include "painting.hpp"

namespace progression::look {

constexpr float luminance(color c) { return 0.30F * c.r + 0.59F * c.g + 0.11F * c.b; }

/// The camera leans: the right side sinks.
inline void tilt(painting& p, float level, random_stream) {
  auto const upright = p.pixel;
  for (int column = 0; column < image_size; ++column) {
    float const shift = 0.62F * level * (middle(column) - 0.5F) * image_size;
    for (int row = 0; row < image_size; ++row) {
      float const from = std::clamp(static_cast<float>(row) - shift, 0.0F, image_size - 1.001F);
      int const above = static_cast<int>(from);
      p.pixel[index_of(column, row)] =
          lerp(upright[index_of(column, above)], upright[index_of(column, above + 1)],
               from - static_cast<float>(above));
    }
  }
}

/// From grey to glaring.
inline void saturation(painting& p, float level, random_stream) {
  float const gain = 2.0F * level;
  for (auto& pixel : p.pixel) {
    float const grey = luminance(pixel);
    pixel = lerp({grey, grey, grey}, pixel, gain);
  }
}

/// From a cold white balance to a warm one.
inline void warmth(painting& p, float level, random_stream) {
  float const lean = 2.0F * level - 1.0F;
  for (auto& c : p.pixel)
    c = {c.r * (1.0F + 0.40F * lean) + 0.05F * lean, c.g * (1.0F + 0.05F * lean),
         c.b * (1.0F - 0.45F * lean) - 0.05F * lean};
}

/// From flat to harsh around a middle grey.
inline void contrast(painting& p, float level, random_stream) {
  float const gain = lerp(0.25F, 1.55F, level);
  for (auto& c : p.pixel) c = lerp({0.48F, 0.48F, 0.48F}, c, gain);
}

inline void brightness(painting& p, float level, random_stream) {
  float const gain = lerp(0.20F, 1.20F, level);
  for (auto& c : p.pixel) c = c * gain;
}

/// Darkness that closes in from the corners.
inline void vignette(painting& p, float level, random_stream) {
  float const clear = lerp(0.76F, 0.26F, level);
  each_pixel([&](std::size_t at, float x, float y) {
    p.blend(at, {0.0F, 0.0F, 0.0F}, ramp(clear - 0.08F, clear + 0.12F, length(x - 0.5F, y - 0.5F)));
  });
}

}  // namespace progression::look
