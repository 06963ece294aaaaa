#include "sysdpo/optim/schedule.hpp"

#include "support/catch.hpp"

TEST_CASE("warm-up rises in equal steps to 1", "[optim]") {
  sysdpo::learning_rate_schedule const schedule{.warmup_steps = 4};
  CHECK(schedule.factor(0, 100) == 0.25);
  CHECK(schedule.factor(1, 100) == 0.5);
  CHECK(schedule.factor(3, 100) == 1);
  CHECK(schedule.factor(4, 100) == 1);
  CHECK(schedule.factor(99, 100) == 1);
}

TEST_CASE("linear and cosine decay follow their closed forms", "[optim]") {
  sysdpo::learning_rate_schedule schedule{
      .warmup_steps = 10, .shape = sysdpo::decay::linear, .final_factor = 0.2};
  CHECK(schedule.factor(10, 110) == 1);
  CHECK(schedule.factor(60, 110) == Approx(0.6));
  CHECK(schedule.factor(110, 110) == Approx(0.2));
  CHECK(schedule.factor(500, 110) == Approx(0.2));
  schedule.shape = sysdpo::decay::cosine;
  CHECK(schedule.factor(10, 110) == 1);
  CHECK(schedule.factor(35, 110) == Approx(0.2 + 0.8 * (1 + std::sqrt(0.5)) / 2));
  CHECK(schedule.factor(60, 110) == Approx(0.6));
  CHECK(schedule.factor(110, 110) == Approx(0.2));
}

TEST_CASE("a training shorter than its warm-up never decays", "[optim]") {
  sysdpo::learning_rate_schedule const schedule{.warmup_steps = 10, .shape = sysdpo::decay::cosine};
  for (sysdpo::index_t step = 0; step < 5; ++step)
    CHECK(schedule.factor(step, 5) == Approx(static_cast<double>(step + 1) / 10));
}
