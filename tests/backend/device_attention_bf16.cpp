// Attention on kernels, bf16.
#include "support/device_attention.hpp"

TEST_CASE("attention on kernels agrees with the CPU in bf16", "[backend]") {
  test::check_attention<sysdpo::bf16>();
}

TEST_CASE("attention on kernels takes heads of all sizes in bf16", "[backend]") {
  test::check_head_sizes<sysdpo::bf16>();
}

TEST_CASE("attention to a cache on kernels agrees with the CPU in bf16", "[backend]") {
  test::check_cached_attention<sysdpo::bf16>();
}
