#include "sysdpo/op/diffusion_step.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/diffusion_step.hpp"

using test::random_tensor;

TEST_CASE("diffusion_step guides, clips and steps", "[op]") {
  auto const z = random_tensor({2, 300}, 1);
  auto const prediction = random_tensor({4, 300}, 2);
  auto const noise = random_tensor({2, 300}, 3);
  auto const next = sysdpo::diffusion_step(z, prediction, noise,
                                           {.clean_of_z = 1.5,
                                            .clean_of_prediction = -0.7,
                                            .limit = 0.9,
                                            .next_of_clean = 0.6,
                                            .next_of_z = 0.3,
                                            .next_of_noise = 0.2,
                                            .guidance = 2.5});
  for (int i = 0; i < 600; ++i) {
    auto const with = prediction.data()[i];
    auto const without = prediction.data()[600 + i];
    auto const clean = std::clamp(1.5 * z.data()[i] - 0.7 * (without + 2.5 * (with - without)), -0.9, 0.9);
    REQUIRE(next.data()[i] == Approx(0.6 * clean + 0.3 * z.data()[i] + 0.2 * noise.data()[i]).margin(1e-12));
  }
  REQUIRE_THROWS_WITH(sysdpo::diffusion_step(z, random_tensor({3, 300}, 1), noise, {}),
                      Catch::Contains("[3, 300]"));
}
