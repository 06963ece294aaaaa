#include "sysdpo/policy/noise_schedule.hpp"

#include "support/catch.hpp"

using sysdpo::loss_weight;
using sysdpo::noise_schedule;
using sysdpo::prediction_kind;
using sysdpo::schedule_kind;

TEST_CASE("the linear schedule has the betas of its paper, and the same end for any number of steps",
          "[policy]") {
  noise_schedule const schedule;
  REQUIRE(schedule.beta(1) == Approx(1e-4));
  REQUIRE(schedule.beta(1000) == Approx(0.02));
  REQUIRE(schedule.beta(500) == Approx(1e-4 + 499.0 / 999 * 0.0199));
  REQUIRE(schedule.alpha_bar(0) == 1.0);
  REQUIRE(schedule.alpha_bar(2) == Approx((1 - schedule.beta(1)) * (1 - schedule.beta(2))));
  REQUIRE(schedule.alpha_bar(1000) == Approx(4.0358e-5).epsilon(1e-3));  // as the paper's code computes it
  REQUIRE(noise_schedule({.steps = 200}).alpha_bar(200) == Approx(schedule.alpha_bar(1000)).margin(3e-5));
}

TEST_CASE("the cosine schedule follows its closed form up to the cap on beta", "[policy]") {
  for (int const steps : {10, 1000}) {
    noise_schedule const schedule({.kind = schedule_kind::cosine, .steps = steps});
    auto const f = [&](double t) {
      return std::pow(std::cos((t / steps + 0.008) / 1.008 * std::acos(-1.0) / 2), 2);
    };
    for (int t = 0; t < steps; ++t) REQUIRE(schedule.alpha_bar(t) == Approx(f(t) / f(0)).margin(1e-12));
    REQUIRE(schedule.beta(steps) == Approx(0.999));
    REQUIRE(schedule.alpha_bar(steps) > 0);
  }
}

TEST_CASE("signal and deviation square to one; both predictions give the clean image and the noise back",
          "[policy]") {
  noise_schedule const schedule({.kind = schedule_kind::cosine, .steps = 50});
  double const z = 0.7;
  double const noise = -1.3;
  for (int t = 1; t <= 50; ++t) {
    auto const a = schedule.signal(t);
    auto const s = schedule.deviation(t);
    REQUIRE(a * a + s * s == Approx(1));
    REQUIRE(schedule.signal_to_noise(t) == Approx(a * a / (s * s)));
    auto const noisy = a * z + s * noise;
    auto const check = [&](prediction_kind kind, double prediction) {
      auto const clean = schedule.clean(kind, t);
      auto const found = schedule.noise(kind, t);
      REQUIRE(clean.of_z * noisy + clean.of_prediction * prediction == Approx(z));
      REQUIRE(found.of_z * noisy + found.of_prediction * prediction == Approx(noise));
      REQUIRE(found.of_prediction * found.of_prediction == Approx(schedule.epsilon_error(kind, t)));
    };
    check(prediction_kind::epsilon, noise);
    check(prediction_kind::velocity, a * noise - s * z);
  }
}

TEST_CASE("the ELBO's weight is that of the divergence between the reverse steps", "[policy]") {
  noise_schedule const schedule({.steps = 100});
  for (int t = 1; t <= 100; ++t) {
    auto const beta = schedule.beta(t);
    // The reverse means differ by β_t / (√α_t · √(1−ᾱ_t)) · (ε̂ − ε), and the reverse variance is β_t.
    auto const apart = beta / (std::sqrt(1 - beta) * schedule.deviation(t));
    REQUIRE(schedule.weight(loss_weight::elbo, t) == Approx(apart * apart / (2 * beta)));
    REQUIRE(schedule.weight(loss_weight::constant, t) == 1.0);
    auto const snr = schedule.signal_to_noise(t);
    REQUIRE(schedule.weight(loss_weight::min_snr, t) == Approx(std::min(snr, 5.0) / snr));
  }
}

TEST_CASE("the velocity's weight makes the error of the velocity out of that of the noise", "[policy]") {
  sysdpo::noise_schedule const schedule({.steps = 50});
  for (int t = 1; t <= 50; ++t) {
    auto const noise = 0.3, image = -0.8, off = 0.05;
    auto const z = schedule.signal(t) * image + schedule.deviation(t) * noise;
    auto const v = schedule.signal(t) * noise - schedule.deviation(t) * image;
    auto const estimate = schedule.noise(sysdpo::prediction_kind::velocity, t);
    auto const error = noise - (estimate.of_z * z + estimate.of_prediction * (v + off));
    CHECK(schedule.weight(sysdpo::loss_weight::velocity, t) * error * error == Approx(off * off));
  }
}

TEST_CASE("schedules refuse what makes no sense", "[policy]") {
  REQUIRE_THROWS_WITH(noise_schedule({.steps = 0}), Catch::Contains("steps = 0"));
  REQUIRE_THROWS_WITH(noise_schedule({.steps = 10}), Catch::Contains("beta(6)") && Catch::Contains("cosine"));
  REQUIRE_THROWS_WITH(noise_schedule({.beta_start = -1}), Catch::Contains("beta(1)"));
  noise_schedule const schedule;
  REQUIRE_THROWS_WITH(schedule.beta(0), Catch::Contains("t = 0"));
  REQUIRE_THROWS_WITH(schedule.alpha_bar(1001), Catch::Contains("t = 1001"));
  REQUIRE_THROWS_WITH(schedule.weight(loss_weight::constant, 0), Catch::Contains("t = 0"));
}
