#include "sysdpo/kernel/diffusion_step.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::half;
using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("a diffusion step agrees with its definition", "[kernel]", float, bf16, half) {
  for (index_t const size : {0, 1, 7, 33, 128, 2049})
    for (index_t const shift : {0, 1})
      for (bool const guided : {false, true})
        for (bool const noisy : {false, true})
          for (float const limit : {0.0F, 1.5F})
            for (auto const& how : test::all_orders) {
              auto const z = test::random_memory<TestType>(size, 1, 1, shift);
              auto const p = test::random_memory<TestType>(guided ? 2 * size : size, 2);
              auto const noise = test::random_memory<TestType>(size, 3);
              memory<TestType> const next(size), there(z);
              auto const step = [&](memory<TestType> const& from, memory<TestType> const& to) {
                test::run<sysdpo::kernel::diffusion_step<TestType>>(
                    {from.data(), p.data(), noisy ? noise.data() : nullptr, size, guided, 3, 1.25F, -0.75F,
                     limit, 0.5F, 0.25F, 0.125F, to.data()},
                    how);
              };
              step(z, next);
              step(there, there);
              auto const n = static_cast<std::size_t>(size);
              for (std::size_t i = 0; i < n; ++i) {
                auto const q = guided ? p.at(n + i) + 3 * (p.at(i) - p.at(n + i)) : p.at(i);
                auto clean = 1.25 * z.at(i) - 0.75 * q;
                if (limit > 0) clean = std::clamp(clean, -1.5, 1.5);
                REQUIRE(test::close(next.at(i),
                                    0.5 * clean + 0.25 * z.at(i) + (noisy ? 0.125 * noise.at(i) : 0),
                                    test::rounding<TestType> + 1e-6));
                REQUIRE(there.at(i) == next.at(i));
              }
            }
}

TEST_CASE("clipping bounds infinities, and hides nothing that is no number", "[kernel]") {
  auto const infinity = std::numeric_limits<float>::infinity();
  memory<float> const z(std::vector<float>{0, 0, 0});
  memory<float> const p(std::vector<float>{infinity, -infinity, std::nanf("")});
  memory<float> const next(3);
  test::run<sysdpo::kernel::diffusion_step<float>>(
      {z.data(), p.data(), nullptr, 3, false, 1, 0, 1, 2, 1, 0, 0, next.data()});
  REQUIRE(next[0] == 2);
  REQUIRE(next[1] == -2);
  REQUIRE(std::isnan(next[2]));
}
