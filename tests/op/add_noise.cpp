#include "sysdpo/op/add_noise.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/add_noise.hpp"

using test::random_tensor;

TEST_CASE("add_noise mixes each row by its own coefficients", "[op]") {
  auto const z = random_tensor({3, 2, 5}, 1);
  auto const noise = random_tensor({3, 2, 5}, 2);
  auto const signal = random_tensor({3}, 3);
  auto const deviation = random_tensor({3}, 4);
  auto const noisy = sysdpo::add_noise(z, noise, signal, deviation);
  for (int i = 0; i < 30; ++i)
    REQUIRE(noisy.data()[i] ==
            Approx(signal.data()[i / 10] * z.data()[i] + deviation.data()[i / 10] * noise.data()[i]));
  REQUIRE_THROWS_WITH(sysdpo::add_noise(z, noise, signal, random_tensor({2}, 1)),
                      Catch::Contains("deviation [2]"));
}
