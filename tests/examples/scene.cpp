#include "../../examples/progression/scene.hpp"

#include <cmath>
#include <set>
#include <vector>

#include "support/catch.hpp"

using namespace progression;

namespace {

/// Mean absolute difference of two pictures.
double distance(picture const& a, picture const& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
  return sum / static_cast<double>(a.size());
}

/// The scene about `attribute` at `level` whose every other part is drawn from `seed`.
picture view(int attribute, float level, std::uint64_t seed) {
  random_stream random(seed);
  int const where = random.below(place_count);
  return render(scene_about(attribute, level, where, random));
}

}  // namespace

TEST_CASE("Pictures are deterministic, in range, and differ from seed to seed") {
  std::set<picture> pictures;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    picture const image = view(brightness, 0.8F, seed);
    CHECK(image == view(brightness, 0.8F, seed));
    for (float const value : image) {
      REQUIRE(value >= -1.0F);
      REQUIRE(value <= 1.0F);
    }
    pictures.insert(image);
  }
  CHECK(pictures.size() == 100);
}

TEST_CASE("Levels at and beyond the natural range stay in range") {
  for (float const level : {0.0F, 1.0F}) {
    scene all{.place = mountain, .level = {}, .seed = 7};
    all.level.fill(level);
    for (float const value : render(all)) REQUIRE(std::abs(value) <= 1.0F);
  }
}

TEST_CASE("Every attribute shows over its whole range, and farther levels look farther") {
  int const seeds = 40;
  for (int a = 0; a < attribute_count; ++a) {
    INFO(attributes[static_cast<std::size_t>(a)].name);
    std::array<double, level_count> from_none{}, from_full{};
    for (int step = 0; step < level_count; ++step)
      for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        auto const at = static_cast<std::size_t>(step);
        auto const image = view(a, level_value(step), seed);
        from_none[at] += distance(image, view(a, 0.0F, seed)) / seeds;
        from_full[at] += distance(image, view(a, 1.0F, seed)) / seeds;
      }
    for (std::size_t step = 0; step + 1 < level_count; ++step) {
      CHECK(from_none[step + 1] > from_none[step] + 0.003);  // of a range of 2, whole picture
      CHECK(from_full[step + 1] < from_full[step]);
    }
    CHECK(from_none.back() > 0.04);
  }
}

TEST_CASE("No two attributes look alike") {
  // What full strength adds to a natural scene points elsewhere for each: the cosine of two changes is far
  // from 1.
  int const seeds = 6;
  auto const change = [](int a, std::uint64_t seed) {
    random_stream random(seed);
    scene s = natural_scene(static_cast<int>(seed) % place_count, random);
    picture const before = render(s);
    s.level[static_cast<std::size_t>(a)] = 1.0F;
    picture after = render(s);
    for (std::size_t i = 0; i < after.size(); ++i) after[i] -= before[i];
    return after;
  };
  auto const product = [](picture const& a, picture const& b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
  };
  std::vector<std::vector<picture>> changes(attribute_count);
  for (int a = 0; a < attribute_count; ++a)
    for (std::uint64_t seed = 0; seed < seeds; ++seed)
      changes[static_cast<std::size_t>(a)].push_back(change(a, seed));
  for (std::size_t a = 0; a < attribute_count; ++a)
    for (std::size_t b = 0; b < a; ++b) {
      double cosine = 0.0;
      for (std::size_t i = 0; i < seeds; ++i)
        cosine += product(changes[a][i], changes[b][i]) /
                  std::sqrt(product(changes[a][i], changes[a][i]) * product(changes[b][i], changes[b][i])) /
                  seeds;
      INFO(attributes[a].name << " and " << attributes[b].name);
      CHECK(cosine < 0.9);
    }
}

TEST_CASE("A naturally absent attribute at level 0 leaves no trace") {
  random_stream random(4);
  for (int i = 0; i < 50; ++i) {
    scene s = natural_scene(i % place_count, random);
    for (std::size_t a = 0; a < attributes.size(); ++a) {
      if (attributes[a].natural_low > 0.0F) continue;
      s.level[a] = 0.0F;
      picture const without = render(s);
      s.level[a] = 1e-6F;
      INFO(attributes[a].name);
      CHECK(distance(without, render(s)) < 0.01);
      s.level[a] = 0.0F;
    }
  }
}

TEST_CASE("Brightness, fog, ice and snow look as their names say") {
  auto const mean = [](picture const& image) {
    double sum = 0.0;
    for (float const value : image) sum += static_cast<double>(value);
    return sum / static_cast<double>(image.size());
  };
  auto const contrast = [&](picture const& image) {
    picture flat{};
    flat.fill(static_cast<float>(mean(image)));
    return distance(image, flat);
  };
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CHECK(mean(view(brightness, 1.0F, seed)) > mean(view(brightness, 0.0F, seed)) + 0.5);
    CHECK(contrast(view(fog, 1.0F, seed)) < 0.3 * contrast(view(fog, 0.0F, seed)));
    CHECK(mean(view(ice, 1.0F, seed)) > mean(view(ice, 0.0F, seed)));
    CHECK(mean(view(snow, 1.0F, seed)) > mean(view(snow, 0.0F, seed)));
  }
}

TEST_CASE("An attribute that a scene is not about stays natural") {
  random_stream random(3);
  for (int i = 0; i < 200; ++i) {
    scene const s = scene_about(ice, 1.0F, lake, random);
    CHECK(s.level[ice] == 1.0F);
    for (std::size_t a = 0; a < attributes.size(); ++a)
      if (a != ice) {
        CHECK(s.level[a] >= attributes[a].natural_low);
        CHECK(s.level[a] <= attributes[a].natural_high);
      }
  }
}

TEST_CASE("The random stream is uniform to four standard errors") {
  random_stream random(11);
  int const draws = 20000;
  double sum = 0.0, squares = 0.0;
  std::array<int, 5> counts{};
  for (int i = 0; i < draws; ++i) {
    double const u = static_cast<double>(random.uniform());
    sum += u;
    squares += u * u;
    ++counts[static_cast<std::size_t>(random.below(5))];
  }
  CHECK(std::abs(sum / draws - 0.5) < 4.0 * std::sqrt(1.0 / 12.0 / draws));
  CHECK(std::abs(squares / draws - 1.0 / 3.0) < 4.0 * std::sqrt(4.0 / 45.0 / draws));
  for (int const count : counts) CHECK(std::abs(count - draws / 5) < 4.0 * std::sqrt(draws * 0.2 * 0.8));
}
