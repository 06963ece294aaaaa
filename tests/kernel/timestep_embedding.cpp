#include "sysdpo/kernel/timestep_embedding.hpp"

#include "support/emulation.hpp"

using test::bf16;
using test::half;
using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("diffusion steps are embedded as their definition says", "[kernel]", float, bf16, half) {
  memory<std::int32_t> const t(std::vector<std::int32_t>{0, 1, 7, 500, 999, 1000, 1000000});
  for (index_t const rows : {0, 1, 7})
    for (int const width : {2, 6, 34, 128, 320})
      for (auto const& how : test::all_orders) {
        memory<TestType> const y(rows * width);
        test::run<sysdpo::kernel::timestep_embedding<TestType>>({t.data(), rows, width, y.data()}, how);
        auto const w = static_cast<std::size_t>(width);
        for (std::size_t i = 0; i < y.size(); ++i) {
          auto const place = i % w % (w / 2);
          auto const angle =
              t.at(i / w) * std::pow(1e4, -static_cast<double>(place) / static_cast<double>(w / 2));
          REQUIRE(test::close(y.at(i), i % w < w / 2 ? std::cos(angle) : std::sin(angle),
                              test::rounding<TestType> + 1e-7));
        }
      }
}
