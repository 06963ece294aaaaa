#include "../../examples/progression/corpus.hpp"

#include <Eigen/Dense>

#include <cmath>

#include "support/catch.hpp"

using namespace progression;

namespace {

bool monotone(std::array<words, 3> const& captions, bool increasing) {
  std::array<int, 3> level{};
  for (std::size_t i = 0; i < 3; ++i) level[i] = parse_caption(captions[i]).value().level;
  return increasing ? level[0] < level[1] && level[1] < level[2] : level[0] > level[1] && level[1] > level[2];
}

/// A weak reader of pictures: fixed random 3 × 3 filters, rectified, pooled to 6 × 6. What a linear map finds
/// in these features, a trained convolutional network finds more easily.
class random_features {
 public:
  static constexpr int filters = 24, cells = 6;
  static constexpr int size = filters * cells * cells + 1;

  random_features() {
    random_stream random(5);
    for (float& w : weight_) w = (random.uniform() + random.uniform() + random.uniform() - 1.5F) * 0.7F;
    for (float& b : bias_) b = random.uniform(-0.7F, 0.7F);
  }

  [[nodiscard]] Eigen::VectorXf operator()(picture const& image) const {
    constexpr int placed = image_size - 2;
    Eigen::VectorXf features = Eigen::VectorXf::Zero(size);
    features[size - 1] = 1.0F;
    for (int row = 0; row < placed; ++row)
      for (int column = 0; column < placed; ++column)
        for (int f = 0; f < filters; ++f) {
          float sum = bias_[static_cast<std::size_t>(f)];
          for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 9; ++j)
              sum += weight_[static_cast<std::size_t>(f * 27 + i * 9 + j)] *
                     image[static_cast<std::size_t>(((row + i) * image_size + column) * image_channels + j)];
          int const cell = row * cells / placed * cells + column * cells / placed;
          features[f * cells * cells + cell] += std::max(sum, 0.0F) / 14.0F;
        }
    return features;
  }

 private:
  std::array<float, filters * 27> weight_{};
  std::array<float, filters> bias_{};
};

}  // namespace

TEST_CASE("The author's corpus is right about place and attribute, and about order as often as it says") {
  auto const requests = make_prompts(50).train;
  for (float const p_order : {0.0F, 0.35F, 1.0F}) {
    random_stream random(1);
    int right = 0;
    int const draws = 4000;
    for (int i = 0; i < draws; ++i) {
      author_example const example = draw_author_example(requests, random, p_order);
      std::string const text = decode(example.request);
      auto const request =
          std::find_if(requests.begin(), requests.end(), [&](prompt const& p) { return p.text == text; });
      REQUIRE(request != requests.end());
      for (auto const& c : example.captions) {
        auto const meaning = parse_caption(c);
        REQUIRE(meaning);
        REQUIRE(meaning->place == request->place);
        REQUIRE(meaning->attribute == request->attribute);
      }
      right += monotone(example.captions, request->increasing) ? 1 : 0;
    }
    double const share = static_cast<double>(p_order) + (1.0 - static_cast<double>(p_order)) * 10.0 / 125.0;
    CHECK(std::abs(right - share * draws) <= 4.0 * std::sqrt(draws * share * (1.0 - share)) + 1e-6);
  }
}

TEST_CASE("The painter's corpus shows another level than its caption names as often as it says") {
  // Brightness alone can be measured without a regressor: match the picture's mean to a table of means.
  auto const mean = [](picture const& image) {
    double sum = 0.0;
    for (float const value : image) sum += static_cast<double>(value);
    return sum / static_cast<double>(image.size());
  };
  for (float const rho : {0.0F, 0.5F}) {
    random_stream random(2);
    int dark_called_extreme = 0, extreme = 0;
    for (int i = 0; i < 30000; ++i) {
      painter_example const example = draw_painter_example(random, rho);
      auto const meaning = parse_caption(example.caption);
      REQUIRE(meaning);
      if (meaning->attribute != brightness || meaning->level != level_count - 1) continue;
      ++extreme;
      dark_called_extreme += mean(example.image) < -0.45 ? 1 : 0;
    }
    REQUIRE(extreme > 100);
    // A mean of −0.45 lies near level 0.4: pictures with any level fall below it about four times in ten.
    double const share = static_cast<double>(dark_called_extreme) / extreme;
    if (rho == 0.0F)
      CHECK(share == 0.0);
    else
      CHECK((share > 0.1 && share < 0.3));
  }
}

TEST_CASE("Every fifth attribute is painted as its caption says whatever the share of faults") {
  int faithful = 0, faulty = 0, astray = 0;
  for (std::uint64_t i = 0; i < 500; ++i) {
    random_stream sound(i), unsound(i);
    auto const expected = draw_painter_example(sound, 0.0F), example = draw_painter_example(unsound, 1.0F);
    auto const meaning = parse_caption(example.caption);
    REQUIRE(meaning);
    REQUIRE(meaning == parse_caption(expected.caption));
    if (painted_faithfully(meaning->attribute)) {
      ++faithful;
      CHECK(example.image == expected.image);
    } else {
      ++faulty;
      astray += example.image != expected.image ? 1 : 0;
    }
  }
  CHECK((faithful > 60 && faithful < 140));
  CHECK(astray == faulty);
}

TEST_CASE("Every attribute can be read off the picture, the others being natural") {
  random_features const features;
  random_stream random(5);
  int const shown = 200, asked = 60;
  double all = 0.0;
  for (int a = 0; a < attribute_count; ++a) {
    Eigen::MatrixXf inputs(shown, random_features::size);
    Eigen::VectorXf levels(shown);
    for (int i = 0; i < shown; ++i) {
      regressor_example const example = draw_regressor_example(random, a);
      inputs.row(i) = features(example.image);
      levels[i] = example.level[static_cast<std::size_t>(a)] - 0.5F;
    }
    Eigen::MatrixXf kernel = inputs * inputs.transpose();
    kernel.diagonal().array() += 0.3F;
    Eigen::VectorXf const weights = inputs.transpose() * kernel.ldlt().solve(levels);
    double residual = 0.0, total = 0.0;
    for (int i = 0; i < asked; ++i) {
      regressor_example const example = draw_regressor_example(random, a);
      double const truth = static_cast<double>(example.level[static_cast<std::size_t>(a)]) - 0.5;
      double const read = static_cast<double>(features(example.image).dot(weights));
      residual += (truth - read) * (truth - read);
      total += truth * truth;
    }
    INFO(attributes[static_cast<std::size_t>(a)].name << ": R² " << 1.0 - residual / total);
    CHECK(residual < 0.4 * total);
    all += 1.0 - residual / total;
  }
  CHECK(all / attribute_count > 0.8);
}

TEST_CASE("The regressor's examples are about one to three attributes, and say which") {
  random_stream random(6);
  std::array<int, attribute_count> seen{};
  for (int i = 0; i < 2000; ++i) {
    regressor_example const example = draw_regressor_example(random);
    int about = 0;
    for (std::size_t a = 0; a < attributes.size(); ++a) {
      about += example.about[a] ? 1 : 0;
      seen[a] += example.about[a] ? 1 : 0;
      if (example.about[a]) continue;
      REQUIRE(example.level[a] >= attributes[a].natural_low);
      REQUIRE(example.level[a] <= attributes[a].natural_high);
    }
    REQUIRE(about >= 1);
    REQUIRE(about <= 3);
  }
  for (int const times : seen) CHECK(times > 50);  // of about 98
}
