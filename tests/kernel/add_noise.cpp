#include "sysdpo/kernel/add_noise.hpp"

#include "support/emulation.hpp"

using sysdpo::draw_key;
using sysdpo::philox_stream;
using sysdpo::kernel::noise_target;
using test::bf16;
using test::half;
using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("noise has the CPU's bits, wherever its row begins", "[kernel]", float, bf16, half) {
  for (int const size : {0, 1, 7, 33, 129, 3072})
    for (int const parts : {1, 3})
      for (auto const& how : test::all_orders) {
        index_t const rows = 4;
        auto const z = test::random_memory<TestType>(rows * size, 9);
        std::vector<philox_stream> streams;
        std::vector<std::vector<float>> noise;
        for (std::uint32_t row = 0; row < rows; ++row) {
          draw_key const key{.seed = 5, .pair = 70 + row, .node = 1, .visit = row, .draw = 2};
          streams.emplace_back(key);
          sysdpo::fill_normal(noise.emplace_back(static_cast<std::size_t>(size)), key);
        }
        memory<philox_stream> const on_device(streams);
        memory<float> const signal(std::vector<float>{1, 0.8F, 0.6F, 0});
        memory<float> const deviation(std::vector<float>{0, 0.6F, 0.8F, 1});
        for (auto const wanted : {noise_target::none, noise_target::noise, noise_target::velocity}) {
          memory<TestType> noisy(rows * size), target(rows * size);
          test::run<sysdpo::kernel::add_noise<TestType>>(
              {z.data(), on_device.data(), signal.data(), deviation.data(), rows, size, parts, noisy.data(),
               wanted == noise_target::none ? nullptr : target.data(), wanted},
              how);
          for (std::size_t r = 0; r < 4; ++r)
            for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i) {
              auto const at = r * static_cast<std::size_t>(size) + i;
              auto const e = noise[r][i];
              REQUIRE(test::close(noisy.at(at),
                                  signal.at(r) * z.at(at) + deviation.at(r) * static_cast<double>(e),
                                  2 * test::rounding<TestType>));
              if (wanted == noise_target::noise)
                REQUIRE(std::memcmp(&target[at], std::vector{TestType(e)}.data(), sizeof(TestType)) == 0);
              if (wanted == noise_target::velocity)
                REQUIRE(test::close(target.at(at),
                                    signal.at(r) * static_cast<double>(e) - deviation.at(r) * z.at(at),
                                    2 * test::rounding<TestType>));
            }
          // With nothing but noise in it, the noisy row is the noise, to the bit.
          for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i)
            REQUIRE(static_cast<float>(noisy[3 * static_cast<std::size_t>(size) + i]) ==
                    static_cast<float>(TestType(noise[3][i])));
        }
      }
}
