// Attention on kernels, half.
#include "support/device_attention.hpp"

TEST_CASE("attention on kernels agrees with the CPU in half", "[backend]") {
  test::check_attention<sysdpo::half>();
}

TEST_CASE("attention on kernels takes heads of all sizes in half", "[backend]") {
  test::check_head_sizes<sysdpo::half>();
}

TEST_CASE("attention to a cache on kernels agrees with the CPU in half", "[backend]") {
  test::check_cached_attention<sysdpo::half>();
}
