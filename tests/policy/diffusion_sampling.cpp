#include "sysdpo/policy/diffusion_sampling.hpp"

#include "support/catch.hpp"
#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/diffusion_step.hpp"

using sysdpo::cpu;
using sysdpo::diffusion_sampling;
using sysdpo::draw_key;
using sysdpo::index_t;
using sysdpo::noise_schedule;
using sysdpo::prediction_kind;
using images = sysdpo::tensor<cpu, double>;
using steps = sysdpo::tensor<cpu, std::int32_t>;

namespace {

/// The best possible prediction where each pixel of the data is normal with this mean and deviation.
struct gaussian_world {
  noise_schedule const& schedule;
  prediction_kind kind;
  double mean, deviation;

  images operator()(images const& z, steps const& t) const {
    images prediction(z.extents());
    auto const size = z.size() / z.extent(0);
    for (index_t i = 0; i < z.size(); ++i) {
      auto const a = schedule.signal(t.data()[i / size]);
      auto const s = schedule.deviation(t.data()[i / size]);
      auto const noise = s * (z.data()[i] - a * mean) / (a * a * deviation * deviation + s * s);
      auto const clean = (z.data()[i] - s * noise) / a;
      prediction.data()[i] = kind == prediction_kind::epsilon ? noise : a * noise - s * clean;
    }
    return prediction;
  }
};

std::vector<draw_key> keys(std::uint64_t first, std::uint64_t count) {
  std::vector<draw_key> made;
  for (auto pair = first; pair < first + count; ++pair) made.push_back({.seed = 3, .pair = pair});
  return made;
}

}  // namespace

TEST_CASE("samplers recover the mean and variance of normal data", "[policy]") {
  noise_schedule const schedule({.kind = sysdpo::schedule_kind::linear, .steps = 1000});
  for (auto const kind : {prediction_kind::epsilon, prediction_kind::velocity})
    for (double const eta : {0.0, 0.5, 1.0}) {
      gaussian_world const world{schedule, kind, 0.3, 0.4};
      diffusion_sampling const options{.steps = eta == 1 ? 1000 : 250, .eta = eta, .clip = 0};
      auto const drawn =
          sysdpo::sample_diffusion<cpu, double>(world, schedule, kind, options, {8, 8, 3}, keys(0, 50));
      REQUIRE(drawn.extents() == sysdpo::shape{50, 8, 8, 3});
      double sum = 0;
      double squares = 0;
      for (index_t i = 0; i < drawn.size(); ++i) {
        sum += drawn.data()[i];
        squares += drawn.data()[i] * drawn.data()[i];
      }
      auto const count = static_cast<double>(drawn.size());
      INFO("eta " << eta);
      CHECK(sum / count == Approx(0.3).margin(0.016));  // 4 standard errors
      CHECK(std::sqrt(squares / count - sum / count * sum / count) == Approx(0.4).epsilon(0.025));
    }
}

TEST_CASE("eta 1 is the posterior of the forward process", "[policy]") {
  noise_schedule const schedule({.kind = sysdpo::schedule_kind::cosine, .steps = 40});
  for (int t = 1; t <= 40; ++t) {
    auto const step =
        sysdpo::sampling_step(schedule, prediction_kind::epsilon, {.eta = 1, .clip = 0}, t, t - 1);
    auto const now = 1 - schedule.alpha_bar(t);
    auto const then = 1 - schedule.alpha_bar(t - 1);
    REQUIRE(step.next_of_clean == Approx(schedule.signal(t - 1) * schedule.beta(t) / now).margin(1e-12));
    REQUIRE(step.next_of_z == Approx(std::sqrt(1 - schedule.beta(t)) * then / now).margin(1e-12));
    REQUIRE(step.next_of_noise == Approx(std::sqrt(then / now * schedule.beta(t))).margin(1e-9));
  }
}

TEST_CASE("a row's image depends on its key alone, not on its batch", "[policy]") {
  noise_schedule const schedule({.kind = sysdpo::schedule_kind::cosine, .steps = 30});
  gaussian_world const world{schedule, prediction_kind::epsilon, 0.1, 0.5};
  diffusion_sampling const options{.steps = 7, .eta = 0.7};
  auto const draw = [&](std::vector<draw_key> const& rows) {
    return sysdpo::sample_diffusion<cpu, double>(world, schedule, world.kind, options, {2, 2, 3}, rows);
  };
  auto const together = draw(keys(0, 5));
  auto const alone = draw(keys(3, 1));
  for (index_t i = 0; i < 12; ++i) REQUIRE(alone.data()[i] == together.data()[3 * 12 + i]);
  REQUIRE(together.data()[0] != together.data()[12]);
}

TEST_CASE("guidance moves away from the unconditional prediction; a scale of 1 is none", "[policy]") {
  noise_schedule const schedule({.kind = sysdpo::schedule_kind::cosine, .steps = 30});
  auto const guided = [&](double scale, bool same) {
    return [&, scale, same](images const& z, steps const& t) {
      REQUIRE(z.extent(0) == (scale == 1 ? 2 : 4));
      auto made = gaussian_world{schedule, prediction_kind::epsilon, 0.4, 0.3}(z, t);
      if (scale != 1 && !same) {
        auto const other = gaussian_world{schedule, prediction_kind::epsilon, 0.0, 0.3}(z, t);
        for (auto i = made.size() / 2; i < made.size(); ++i) made.data()[i] = other.data()[i];
      }
      return made;
    };
  };
  auto const mean = [&](double scale, bool same = false) {
    auto const rows = keys(0, 2);
    auto const drawn = sysdpo::sample_diffusion<cpu, double>(
        guided(scale, same), schedule, prediction_kind::epsilon,
        diffusion_sampling{.steps = 15, .guidance = scale, .clip = 0}, {6, 6, 1}, rows);
    double sum = 0;
    for (index_t i = 0; i < drawn.size(); ++i) sum += drawn.data()[i];
    return sum / static_cast<double>(drawn.size());
  };
  auto const plain = mean(1);
  REQUIRE(mean(3, true) == Approx(plain).margin(1e-12));
  // Predictions are linear in the mean of the data: scale g aims at 0 + g·(0.4 − 0).
  REQUIRE(mean(2) > plain + 0.3);
  REQUIRE(mean(0) < plain - 0.3);
}

TEST_CASE("clipping keeps images within bounds", "[policy]") {
  noise_schedule const schedule({.kind = sysdpo::schedule_kind::cosine, .steps = 20});
  gaussian_world const world{schedule, prediction_kind::epsilon, 0.9, 0.5};
  auto const rows = keys(0, 4);
  auto const drawn = sysdpo::sample_diffusion<cpu, double>(
      world, schedule, world.kind, diffusion_sampling{.steps = 0, .eta = 1}, {4, 4, 3}, rows);
  double highest = 0;
  for (index_t i = 0; i < drawn.size(); ++i) highest = std::max(highest, std::abs(drawn.data()[i]));
  REQUIRE(highest <= 1.0);
  REQUIRE(highest > 0.99);
}

TEST_CASE("sampling visits evenly spaced steps from T to 0, and refuses odd wishes", "[policy]") {
  noise_schedule const schedule({.steps = 100});
  REQUIRE(sysdpo::sampling_steps(schedule, {.steps = 4}) == std::vector<int>{100, 75, 50, 25, 0});
  REQUIRE(sysdpo::sampling_steps(schedule, {.steps = 0}).size() == 101);
  REQUIRE_THROWS_WITH(sysdpo::sampling_steps(schedule, {.steps = 101}), Catch::Contains("101"));
  REQUIRE_THROWS_WITH(sysdpo::sampling_steps(schedule, {.steps = 4, .eta = 2}), Catch::Contains("eta"));
}

TEST_CASE("each step adds noise of its own", "[policy]") {
  noise_schedule const schedule({.kind = sysdpo::schedule_kind::cosine, .steps = 30});
  diffusion_sampling const options{.steps = 3, .eta = 1, .clip = 0};
  auto const rows = keys(4, 2);
  sysdpo::shape const extents{2, 2, 1};
  std::vector<images> seen;
  auto const nothing = [&](images const& z, steps const&) {
    seen.push_back(z);
    return images::zeros(z.extents());
  };
  auto const result = sysdpo::sample_diffusion<cpu, double>(nothing, schedule, prediction_kind::epsilon,
                                                            options, extents, rows);
  seen.push_back(result);
  auto const visited = sysdpo::sampling_steps(schedule, options);
  REQUIRE(seen.size() == visited.size());
  for (std::size_t i = 0; i + 1 < visited.size(); ++i) {
    auto const step =
        sysdpo::sampling_step(schedule, prediction_kind::epsilon, options, visited[i], visited[i + 1]);
    auto const noise =
        sysdpo::normal_rows<cpu, double>(rows, extents, static_cast<std::uint32_t>(i + 1)).to_host();
    for (index_t k = 0; k < 8; ++k) {
      auto const z = seen[i].data()[k];
      CHECK(seen[i + 1].data()[k] == Approx(step.next_of_clean * step.clean_of_z * z + step.next_of_z * z +
                                            step.next_of_noise * noise[static_cast<std::size_t>(k)]));
    }
  }
}
