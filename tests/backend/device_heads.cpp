// Attention with heads of every size that kernels are compiled for.
#include "support/device.hpp"
#include "sysdpo/op/attention.hpp"

using namespace test;

#define FORMATS float, sysdpo::bf16, sysdpo::half

TEMPLATE_TEST_CASE("attention on kernels takes heads of all sizes", "[backend]", FORMATS) {
  std::vector<index_t> const lengths{3, 0, 18};
  for (index_t const d : {32, 64, 96, 128, 160, 256})
    check_op<TestType>(
        [&]<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
          auto const packed = sysdpo::pack_lengths<B>(lengths);
          return attention(tape, in[0], in[1], in[2], packed, packed, {.causal = true});
        },
        {{{21, 1, d}}, {{21, 1, d}}, {{21, 1, d}}});
}
