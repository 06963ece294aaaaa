// Operations on slices, whose rows begin at any address: kernels that copy whole words must notice.
#include "support/device_ops.hpp"

using namespace test;

TEMPLATE_TEST_CASE("every operation takes operands at any address", "[backend]", SYSDPO_FORMATS) {
  check_every_op<TestType>(5, 1);
  check_every_other_op<TestType>(5, 1);
}
