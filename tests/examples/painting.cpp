#include "../../examples/progression/look/painting.hpp"

#include <set>

#include "support/catch.hpp"

using namespace progression;
using namespace progression::look;

namespace {

painting blank() { return {.place = lake, .sun_x = 0.5F, .leaning = 1.0F}; }

/// How many pixels' worth of white a stroke has left on black.
float painted(painting const& p) {
  float sum = 0.0F;
  for (color const c : p.pixel) sum += c.g;
  return sum;
}

color const white{1.0F, 1.0F, 1.0F};

}  // namespace

TEST_CASE("A box covers its exact area, wherever its edges fall") {
  for (float const width : {0.01F, 0.1F, 0.37F, 0.5F}) {
    painting p = blank();
    fill_box(p, 0.213F, 0.301F, 0.213F + width, 0.777F, white);
    CHECK(painted(p) == Approx(width * (0.777F - 0.301F) * image_pixels).epsilon(1e-3));
  }
}

TEST_CASE("Strokes beyond the picture are cut off") {
  painting p = blank();
  fill_box(p, -3.0F, -3.0F, -0.1F, 3.0F, white);
  fill_box(p, 1.1F, 0.0F, 2.0F, 1.0F, white);
  fill_ellipse(p, -1.0F, 0.5F, 0.3F, 0.3F, white);
  fill_triangle(p, 0.5F, -0.2F, 0.3F, 0.5F, white);
  CHECK(painted(p) == 0.0F);
  fill_box(p, -1.0F, -1.0F, 2.0F, 2.0F, white);
  CHECK(painted(p) == Approx(image_pixels));
}

TEST_CASE("Ellipses and triangles cover about their area, and nothing at size 0") {
  for (float const r : {0.1F, 0.2F, 0.4F}) {
    painting round = blank(), pointed = blank();
    fill_ellipse(round, 0.5F, 0.5F, r, 0.8F * r, white);
    CHECK(painted(round) == Approx(3.14159F * 0.8F * r * r * image_pixels).epsilon(0.08));
    fill_triangle(pointed, 0.5F, 0.9F, r, 2.0F * r, white);
    CHECK(painted(pointed) == Approx(2.0F * r * r * image_pixels).epsilon(0.08));
  }
  painting p = blank();
  fill_ellipse(p, 0.5F, 0.5F, 0.0F, 0.0F, white);
  fill_triangle(p, 0.5F, 0.5F, 0.0F, 0.0F, white);
  fill_box(p, 0.5F, 0.0F, 0.5F, 1.0F, white);
  CHECK(painted(p) == 0.0F);
}

TEST_CASE("The values of a noise tile are spread evenly, and neighbours are alike") {
  noise_tile const tile(9, 4, 4);
  random_stream random(1);
  int below = 0, seen = 0;
  float steps = 0.0F;
  for (int draw = 0; draw < 200; ++draw) {
    noise_tile::patch const patch(tile, random);
    for (std::size_t i = 0; i + 1 < image_pixels; ++i, ++seen) {
      below += patch[i] < 0.25F ? 1 : 0;
      if (i % image_size + 1 < image_size) steps += std::abs(patch[i + 1] - patch[i]);
    }
  }
  CHECK(static_cast<double>(below) / seen == Approx(0.25).margin(0.02));
  CHECK(steps / static_cast<float>(seen) < 0.2F);  // a third if neighbours were independent
}

TEST_CASE("Cover grows from nothing to everything") {
  for (int i = 0; i <= 20; ++i) {
    float const noise = static_cast<float>(i) / 20.0F;
    CHECK(covered(0.0F, noise) == 0.0F);
    CHECK(covered(1.0F, noise) == 1.0F);
    for (int l = 0; l < 20; ++l)
      CHECK(covered(static_cast<float>(l) / 20.0F, noise) <=
            covered(static_cast<float>(l + 1) / 20.0F, noise));
  }
}

TEST_CASE("Things arrive one after another") {
  CHECK(arrival(0.0F, 0, 4) == 0.0F);
  CHECK(arrival(0.125F, 0, 4) == 0.5F);
  CHECK(arrival(0.125F, 1, 4) == 0.0F);
  CHECK(arrival(1.0F, 3, 4) == 1.0F);
  random_stream random(2);
  auto const x = scatter<5>(random, 0.1F);
  std::set<int> cells;
  for (float const at : x) cells.insert(static_cast<int>((at - 0.1F) / 0.8F * 5.0F));
  CHECK(cells == std::set<int>{0, 1, 2, 3, 4});
}
