// The land: a far range, a near bank, and what lies, grows, stands and burns on them. Layers after `hill`
// and `water` keep to the land by its coverage; trees add to it, so that autumn and snow reach them.
#pragma once

#include "painting.hpp"

namespace progression::look {

/// The far range rises; the bank before it has the place's own shape.
inline void hill(painting& p, float level, random_stream random) {
  noise_tile::patch const grain(fine_noise(), random);
  float const phase = random.uniform(0.0F, 6.28F), height = lerp(0.02F, 0.44F, level);
  color const far = p.place == mountain ? color{0.46F, 0.43F, 0.50F} : color{0.34F, 0.48F, 0.46F};
  color const near = p.place == forest  ? color{0.18F, 0.44F, 0.20F}
                     : p.place == coast ? color{0.50F, 0.60F, 0.30F}
                                        : color{0.30F, 0.54F, 0.20F};
  for (int column = 0; column < image_size; ++column) {
    float const x = middle(column);
    float const roll = 0.5F + 0.25F * std::sin(4.0F * x + phase) + 0.25F * std::sin(9.0F * x + 2.0F * phase);
    float const summit = tooth(x + phase, 1.7F);
    float const ridge = 0.52F - height * (p.place == mountain ? 0.35F + 0.65F * summit : 0.6F + 0.4F * roll);
    float const bank = p.place == forest  ? 0.55F - 0.07F * tooth(x + phase, 6.0F)
                       : p.place == coast ? 0.57F + 0.12F * p.leaning * (x - 0.5F)
                                          : 0.58F - 0.05F * roll;
    p.bank[static_cast<std::size_t>(column)] = bank;
    for (int row = static_cast<int>(ridge * image_size) - 1; row < image_size; ++row) {
      float const y = middle(row);
      std::size_t const at = index_of(column, row);
      float const is_far = ramp(-0.5F, 0.5F, (y - ridge) * image_size);
      float const is_near = ramp(-0.5F, 0.5F, (y - bank) * image_size);
      float const shade = lerp(0.85F, 1.15F, grain[at]);
      if (is_near < 1.0F) p.blend(at, far * shade, is_far);
      if (is_near > 0.0F) p.blend(at, near * shade, is_near);
      p.land[at] = std::max(is_far, is_near);
    }
  }
}

/// Calls `visit(index, y)` for the pixels that show land.
template <class Visit>
void each_land_pixel(painting const& p, Visit&& visit) {
  each_pixel([&](std::size_t at, float, float y) {
    if (p.land[at] > 0.0F) visit(at, y);
  });
}

/// White water that falls from the far range to the shore, ever broader.
inline void waterfall(painting& p, float level, random_stream random) {
  float const cx = random.uniform(0.3F, 0.7F), half = 0.27F * level;
  std::array<float, image_size> streak{};
  for (float& s : streak) s = random.uniform(0.78F, 1.0F);
  each_pixel(cx - half, 0.36F, cx + half, 0.80F, [&](std::size_t at, float x, float) {
    p.blend(at, color{0.86F, 0.95F, 1.0F} * streak[at % image_size],
            overlap(x, cx - half, cx + half) * p.land[at]);
  });
}

/// Dark conifers along the bank, one after another.
inline void tree(painting& p, float level, random_stream random) {
  constexpr int count = 9;
  auto const places = scatter<count>(random, 0.0F);
  for (int i = 0; i < count; ++i) {
    float const size = arrival(level, i, count), x = places[static_cast<std::size_t>(i)];
    if (size <= 0.0F) break;
    each_in_triangle(x, 0.64F, 0.07F * size, 0.30F * size, [&](std::size_t at, float covered) {
      p.blend(at, lerp({0.03F, 0.22F, 0.10F}, {0.09F, 0.33F, 0.15F}, static_cast<float>(at & 1U)), covered);
      p.land[at] = std::max(p.land[at], covered);
    });
  }
}

/// Green turns to orange and red.
inline void autumn(painting& p, float level, random_stream random) {
  noise_tile::patch const leaves(fine_noise(), random);
  each_land_pixel(p, [&](std::size_t at, float) {
    p.blend(at, lerp({0.72F, 0.16F, 0.06F}, {0.98F, 0.58F, 0.08F}, leaves[at]), 0.92F * level * p.land[at]);
  });
}

/// A beach that widens from the shore upwards.
inline void sand(painting& p, float level, random_stream) {
  float const width = 0.34F * level;
  each_land_pixel(p, [&](std::size_t at, float y) {
    p.blend(at, {0.90F, 0.80F, 0.54F},
            p.land[at] * ramp(0.5F, -0.5F, (p.dry[at] - width) * image_size) * ramp(0.40F, 0.48F, y));
  });
}

/// Dots of many colours on the bank.
inline void flower(painting& p, float level, random_stream random) {
  static constexpr std::array<color, 4> petals{
      {{1.0F, 0.30F, 0.62F}, {1.0F, 0.88F, 0.18F}, {0.92F, 0.12F, 0.20F}, {0.80F, 0.36F, 0.95F}}};
  for (int row = 12; row < image_size; ++row)
    for (int column = 0; column < image_size; ++column) {
      auto const bits = random.bits();
      std::size_t const at = index_of(column, row);
      if (p.land[at] < 0.5F || middle(row) < p.bank[static_cast<std::size_t>(column)]) continue;
      p.blend(at, petals[bits & 3U], p.land[at] * ramp(-0.03F, 0.03F, 0.88F * level - 0.03F - unit(bits)));
    }
}

/// Boulders with a lit top, along the shore.
inline void rock(painting& p, float level, random_stream random) {
  constexpr int count = 7;
  auto const places = scatter<count>(random, 0.02F);
  for (int i = 0; i < count; ++i) {
    float const size = arrival(level, i, count), x = places[static_cast<std::size_t>(i)];
    float const y = random.uniform(0.64F, 0.72F), r = 0.10F * size;
    if (size <= 0.0F) break;
    fill_ellipse(p, x, y, r, 0.8F * r, {0.22F, 0.21F, 0.26F});
    fill_ellipse(p, x - 0.2F * r, y - 0.3F * r, 0.6F * r, 0.4F * r, {0.66F, 0.65F, 0.68F});
  }
}

/// Snow, from the crests downwards in drifts.
inline void snow(painting& p, float level, random_stream random) {
  noise_tile::patch const drifts(fine_noise(), random);
  each_land_pixel(p, [&](std::size_t at, float y) {
    p.blend(at, {0.96F, 0.97F, 1.0F},
            p.land[at] * covered(level, 0.60F * drifts[at] + 0.75F * ramp(0.36F, 0.76F, y) - 0.17F));
  });
}

/// White walls under red roofs, one after another.
inline void house(painting& p, float level, random_stream random) {
  constexpr int count = 5;
  auto const places = scatter<count>(random, 0.02F);
  for (int i = 0; i < count; ++i) {
    float const size = arrival(level, i, count), x = places[static_cast<std::size_t>(i)];
    if (size <= 0.0F) break;
    float const half = 0.075F * size, wall = 0.09F * size, bottom = 0.68F;
    fill_box(p, x - half, bottom - wall, x + half, bottom, {0.95F, 0.91F, 0.82F});
    fill_box(p, x - 0.3F * half, bottom - 0.6F * wall, x + 0.3F * half, bottom, {0.30F, 0.20F, 0.16F});
    fill_triangle(p, x, bottom - wall, 1.3F * half, wall, {0.78F, 0.16F, 0.10F});
  }
}

/// A tower of violet stone that grows into the sky.
inline void tower(painting& p, float level, random_stream random) {
  float const x = random.uniform(0.2F, 0.8F), half = 0.09F, foot = 0.66F;
  float const top = foot - 0.58F * level;
  fill_box(p, x - half, top, x + half, foot, {0.52F, 0.40F, 0.56F});
  fill_box(p, x + 0.3F * half, top, x + half, foot, {0.36F, 0.26F, 0.42F});
  fill_box(p, x - 1.5F * half, top, x + 1.5F * half, std::min(top + 0.07F, foot), {0.42F, 0.31F, 0.48F});
}

/// Flames from the bank, ever higher and farther along it.
inline void fire(painting& p, float level, random_stream random) {
  float const cx = random.uniform(0.35F, 0.65F), half = 0.10F + 0.30F * level, foot = 0.68F;
  for (int column = 0; column < image_size; ++column) {
    float const x = middle(column), lick = random.uniform(0.65F, 1.0F);
    float const height = 0.40F * level * lick * ramp(half, 0.5F * half, std::abs(x - cx));
    for (int row = 4; row < image_size; ++row) {
      float const up = (foot - middle(row)) / (height + 1e-3F);
      if (up < -0.1F || up > 1.3F) continue;
      color const flame = up < 0.45F
                              ? lerp({1.0F, 0.96F, 0.45F}, {1.0F, 0.62F, 0.06F}, up / 0.45F)
                              : lerp({1.0F, 0.62F, 0.06F}, {0.86F, 0.12F, 0.03F}, (up - 0.45F) / 0.55F);
      p.blend(index_of(column, row), flame,
              std::min(1.0F, height * image_size) * overlap(middle(row), foot - height, foot));
    }
  }
}

/// A dark plume that thickens and leans with the wind.
inline void smoke(painting& p, float level, random_stream random) {
  float const foot = random.uniform(0.35F, 0.65F), lean = random.chance(0.5F) ? 0.30F : -0.30F;
  noise_tile::patch const puffs(fine_noise(), random);
  each_pixel(0.0F, 0.0F, 1.0F, 0.60F, [&](std::size_t at, float x, float y) {
    float const rise = (0.60F - y) / 0.60F;
    float const cx = foot + lean * rise * rise, half = level * lerp(0.07F, 0.36F, rise);
    float const inside = (half - std::abs(x - cx)) * image_size + 1.2F * (puffs[at] - 0.5F);
    p.blend(at, lerp({0.10F, 0.09F, 0.09F}, {0.30F, 0.28F, 0.27F}, puffs[at]),
            0.92F * ramp(-0.3F, 1.2F, inside));
  });
}

}  // namespace progression::look
