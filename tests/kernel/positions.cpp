#include "sysdpo/kernel/positions.hpp"

#include "support/emulation.hpp"

using test::memory;

TEST_CASE("rows of packed sequences have positions, and the gradients of their sums", "[kernel]") {
  std::vector<std::vector<std::int32_t>> const all{
      {0}, {0, 0}, {0, 1}, {0, 7}, {0, 33, 129}, {0, 0, 1, 1, 300}, {0, 5, 5, 5, 9, 9}, {0, 128, 256, 257}};
  for (auto const& offsets : all)
    for (auto const& how : test::all_orders) {
      int const sequences = static_cast<int>(offsets.size()) - 1;
      auto const total = offsets.back();
      memory<std::int32_t> const there(offsets);
      std::vector<std::int32_t> first;
      for (int i = 0; i < sequences; ++i) first.push_back(100 * i);
      memory<std::int32_t> const starts(first), from_0(total), from_starts(total);
      auto const dy = test::random_memory<float>(sequences, 1);
      auto const before = test::random_memory<float>(total, 2);
      memory<float> const dx(total), sum(before);
      test::run<sysdpo::kernel::positions>({there.data(), nullptr, sequences, total, from_0.data()}, how);
      test::run<sysdpo::kernel::positions>(
          {there.data(), starts.data(), sequences, total, from_starts.data()}, how);
      test::run<sysdpo::kernel::spread>({there.data(), dy.data(), sequences, total, dx.data(), false}, how);
      test::run<sysdpo::kernel::spread>({there.data(), dy.data(), sequences, total, sum.data(), true}, how);
      for (std::size_t i = 0; i + 1 < offsets.size(); ++i)
        for (auto row = offsets[i]; row < offsets[i + 1]; ++row) {
          auto const n = static_cast<std::size_t>(row);
          REQUIRE(from_0[n] == row - offsets[i]);
          REQUIRE(from_starts[n] == row - offsets[i] + first[i]);
          REQUIRE(dx[n] == dy[i]);
          REQUIRE(sum[n] == before[n] + dy[i]);
        }
    }
}
