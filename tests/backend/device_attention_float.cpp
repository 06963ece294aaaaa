// Attention on kernels, float.
#include "support/device_attention.hpp"

using namespace test;

TEST_CASE("attention on kernels agrees with the CPU in float", "[backend]") { check_attention<float>(); }

TEST_CASE("attention on kernels takes heads of all sizes in float", "[backend]") {
  check_head_sizes<float>();
}

TEST_CASE("attention to a cache on kernels agrees with the CPU in float", "[backend]") {
  check_cached_attention<float>();
}

TEST_CASE("a head size that kernels do not take is refused with its reason", "[backend]") {
  sysdpo::tape<device, float> tape;
  auto const packed = sysdpo::pack_lengths<device>(std::vector<index_t>{2});
  auto const x = tape.constant(sysdpo::tensor<device, float>::zeros({2, 1, 6}));
  REQUIRE_THROWS_WITH(attention(tape, x, x, x, packed, packed), Catch::Contains("multiple of 4"));
}
