// Attention on kernels against the CPU. Each number format has a file of its own: its kernels take long to
// compile.
#pragma once

#include "support/device.hpp"
#include "sysdpo/op/attention.hpp"

namespace test {

/// Values and gradients.
template <class T>
void check_attention() {
  std::vector<index_t> const lengths{5, 0, 70, 1};
  for (bool const causal : {false, true})
    for (index_t const d : {8, 40}) {
      check_op<T>(
          [&]<class B, class U>(sysdpo::tape<B, U>& tape, std::vector<sysdpo::variable<B, U>> const& in) {
            auto const packed = sysdpo::pack_lengths<B>(lengths);
            return attention(tape, in[0], in[1], in[2], packed, packed, {.causal = causal});
          },
          {{{76, 4, d}}, {{76, 2, d}}, {{76, 2, d}}});
    }
  check_op<T>(
      []<class B, class U>(sysdpo::tape<B, U>& tape, std::vector<sysdpo::variable<B, U>> const& in) {
        auto const queries = sysdpo::pack_lengths<B>(std::vector<index_t>{9, 3});
        auto const keys = sysdpo::pack_lengths<B>(std::vector<index_t>{2, 11});
        return attention(tape, in[0], in[1], in[2], queries, keys, {.scale = 0.5});
      },
      {{{12, 2, 64}}, {{13, 2, 64}}, {{13, 2, 64}}});
}

/// The same with heads of every size that kernels are compiled for.
template <class T>
void check_head_sizes() {
  std::vector<index_t> const lengths{3, 0, 18};
  for (index_t const d : {32, 64, 96, 128, 160, 256})
    check_op<T>(
        [&]<class B, class U>(sysdpo::tape<B, U>& tape, std::vector<sysdpo::variable<B, U>> const& in) {
          auto const packed = sysdpo::pack_lengths<B>(lengths);
          return attention(tape, in[0], in[1], in[2], packed, packed, {.causal = true});
        },
        {{{21, 1, d}}, {{21, 1, d}}, {{21, 1, d}}});
}

/// Of queries to a cache of keys.
template <class T>
void check_cached_attention() {
  auto const on = [&]<class B, class U>(sysdpo::tape<B, U> const&) {
    auto const of = [](shape const& extents, std::uint64_t seed) {
      return tensor_of<B, U>(extents, random_numbers<T>(extents.size(), seed));
    };
    auto const queries = sysdpo::pack_lengths<B>(std::vector<index_t>{1, 2});
    return numbers_of(cached_attention(of({3, 4, 16}, 1), of({40, 4, 16}, 2), of({40, 4, 16}, 3), queries,
                                       ids<B>({0, 20}), ids<B>({13, 22}), {.causal = true}));
  };
  REQUIRE(agree(on(sysdpo::tape<device, T>{}), on(sysdpo::tape<sysdpo::cpu, double>{}), 20 * unit<T>));
}

}  // namespace test
