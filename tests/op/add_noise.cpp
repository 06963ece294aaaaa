#include "sysdpo/op/add_noise.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/add_noise.hpp"

using sysdpo::denoising_target;
using test::random_tensor;

TEST_CASE("add_noise mixes each row by its own coefficients, with the noise of its key", "[op]") {
  auto const z = random_tensor({3, 2, 5}, 1);
  auto const signal = random_tensor({3}, 3);
  auto const deviation = random_tensor({3}, 4);
  std::vector<sysdpo::draw_key> const keys{{.seed = 1, .pair = 7}, {.seed = 2}, {.seed = 1, .draw = 3}};
  std::vector<float> noise(30);
  for (std::size_t row = 0; row < 3; ++row)
    sysdpo::fill_normal(std::span(noise).subspan(row * 10, 10), keys[row]);

  auto const asked_for_noise = add_noise(z, keys, signal, deviation, denoising_target::noise);
  auto const asked_for_velocity = add_noise(z, keys, signal, deviation, denoising_target::velocity);
  for (std::size_t i = 0; i < 30; ++i) {
    auto const s = signal.data()[i / 10];
    auto const d = deviation.data()[i / 10];
    auto const epsilon = static_cast<double>(noise[i]);
    REQUIRE(asked_for_noise.noisy.data()[i] == Approx(s * z.data()[i] + d * epsilon));
    REQUIRE(asked_for_noise.target.data()[i] == epsilon);
    REQUIRE(asked_for_velocity.noisy.data()[i] == asked_for_noise.noisy.data()[i]);
    REQUIRE(asked_for_velocity.target.data()[i] == Approx(s * epsilon - d * z.data()[i]));
  }
  REQUIRE_THROWS_WITH(add_noise(z, keys, signal, random_tensor({2}, 1), denoising_target::noise),
                      Catch::Contains("deviation [2]"));
  REQUIRE_THROWS_WITH(add_noise(z, std::span(keys).first(2), signal, deviation, denoising_target::noise),
                      Catch::Contains("2 keys"));
}
