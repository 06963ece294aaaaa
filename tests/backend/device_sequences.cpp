// The operations of transformers on kernels, but for attention.
#include "support/device.hpp"
#include "sysdpo/op/add.hpp"
#include "sysdpo/op/embedding.hpp"
#include "sysdpo/op/geglu.hpp"
#include "sysdpo/op/head_log_prob.hpp"
#include "sysdpo/op/layer_norm.hpp"
#include "sysdpo/op/linear.hpp"
#include "sysdpo/op/log_softmax_gather.hpp"
#include "sysdpo/op/positions.hpp"
#include "sysdpo/op/rms_norm.hpp"
#include "sysdpo/op/rope.hpp"
#include "sysdpo/op/scale.hpp"
#include "sysdpo/op/scatter_rows.hpp"
#include "sysdpo/op/segment_sum.hpp"
#include "sysdpo/op/silu.hpp"
#include "sysdpo/op/swiglu.hpp"

using namespace test;

TEMPLATE_TEST_CASE("linear on kernels agrees with the CPU", "[backend]", SYSDPO_FORMATS) {
  check_op<TestType>([](auto& tape, auto const& in) { return linear(tape, in[0], in[1], in[2]); },
                     {{{5, 7, 33}}, {{19, 33}}, {{19}}});
  check_op<TestType>([](auto& tape, auto const& in) { return linear(tape, in[0], in[1], {}); },
                     {{{1, 64}}, {{8, 64}}});
}

TEMPLATE_TEST_CASE("element by element, kernels agree with the CPU", "[backend]", SYSDPO_FORMATS) {
  for (index_t const size : {1, 7, 1000}) {
    check_op<TestType>([](auto& tape, auto const& in) { return add(tape, in[0], in[1]); },
                       {{{size}}, {{size}}});
    check_op<TestType>([](auto& tape, auto const& in) { return sysdpo::scale(tape, in[0], -0.3); },
                       {{{size}}});
    check_op<TestType>([](auto& tape, auto const& in) { return silu(tape, in[0]); }, {{{size}, 3}});
    check_op<TestType>([](auto& tape, auto const& in) { return swiglu(tape, in[0], in[1]); },
                       {{{size}, 2}, {{size}, 2}});
    check_op<TestType>([](auto& tape, auto const& in) { return geglu(tape, in[0]); }, {{{3, 2 * size}, 2}});
  }
}

TEMPLATE_TEST_CASE("norms of rows on kernels agree with the CPU", "[backend]", SYSDPO_FORMATS) {
  for (index_t const width : {5, 64}) {
    check_op<TestType>([](auto& tape, auto const& in) { return rms_norm(tape, in[0], in[1], 1e-5); },
                       {{{70, width}, 2}, {{width}}});
    check_op<TestType>([](auto& tape, auto const& in) { return layer_norm(tape, in[0], in[1], in[2], 1e-5); },
                       {{{70, width}, 2}, {{width}}, {{width}}});
  }
}

TEMPLATE_TEST_CASE("rotary positions on kernels agree with the CPU", "[backend]", SYSDPO_FORMATS) {
  check_op<TestType>(
      []<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
        return rope(tape, in[0], ids<B>({0, 9, 3, 4}), sysdpo::make_rope_table<B, T>(10, 16, 100));
      },
      {{{4, 3, 16}}});
}

TEMPLATE_TEST_CASE("embedding on kernels agrees with the CPU", "[backend]", SYSDPO_FORMATS) {
  for (index_t const width : {3, 24})
    check_op<TestType>(
        []<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
          return embedding(tape, in[0], ids<B>({4, 0, 4, 4, 8}));
        },
        {{{9, width}}});
}

TEST_CASE("ids outside a table are refused by the next read", "[backend]") {
  sysdpo::tape<device, float> tape;
  auto const table = tape.constant(sysdpo::tensor<device, float>::zeros({3, 4}));
  auto const wrong = ids<device>({0, 2, 3, -7});
  REQUIRE_THROWS_WITH(
      embedding(tape, table, wrong).value().to_host(),
      Catch::Contains("position 2") && Catch::Contains("id 3") && Catch::Contains("vocabulary of 3"));
  REQUIRE_NOTHROW(embedding(tape, table, ids<device>({0, 2})).value().to_host());
}

TEMPLATE_TEST_CASE("log p of targets on kernels agrees with the CPU", "[backend]", SYSDPO_FORMATS) {
  for (index_t const vocabulary : {7, 1500})
    check_op<TestType>(
        [&]<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
          return log_softmax_gather(tape, in[0], ids<B>({6, 0, 3}));
        },
        {{{3, vocabulary}, 4}});
}

TEMPLATE_TEST_CASE("head and log p in one on kernels agree with the CPU", "[backend]", SYSDPO_FORMATS) {
  check_op<TestType>(
      []<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
        return head_log_prob(tape, in[0], in[1], ids<B>({6, 0, 3, 32, 3}));
      },
      {{{5, 16}}, {{33, 16}}});
  check_op<TestType>(  // more than a chunk of words
      []<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
        return head_log_prob(tape, in[0], in[1], ids<B>({8191, 8200}));
      },
      {{{2, 8}}, {{8201, 8}}});
}

TEST_CASE("head and log p in one on kernels agree with the CPU beyond a chunk of tokens", "[backend]") {
  std::vector<std::int32_t> targets;
  for (int i = 0; i < 16387; ++i) targets.push_back(i % 3);
  check_op<float>(
      [&]<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
        return head_log_prob(tape, in[0], in[1], ids<B>(targets));
      },
      {{{16387, 4}}, {{3, 4}}});
}

TEMPLATE_TEST_CASE("sums over sequences on kernels agree with the CPU", "[backend]", SYSDPO_FORMATS) {
  std::vector<index_t> const lengths{3, 0, 200, 1};
  check_op<TestType>(
      [&]<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
        auto const rows = log_softmax_gather(tape, in[0], ids<B>(std::vector<std::int32_t>(204, 1)));
        return segment_sum(tape, rows, sysdpo::pack_lengths<B>(lengths));
      },
      {{{204, 3}}});
}

TEST_CASE("positions and rows of a cache on kernels are the CPU's", "[backend]") {
  auto const on = []<class B>(B) {
    auto const packed = sysdpo::pack_lengths<B>(std::vector<index_t>{3, 0, 2});
    auto const plain = positions(packed).to_host();
    auto const later = positions(packed, ids<B>({5, 1, 7})).to_host();
    auto const to = sysdpo::tensor<B, float>::zeros({4, 3});
    scatter_rows(tensor_of<B, float>({2, 3}, {1, 2, 3, 4, 5, 6}), ids<B>({3, 1}), to);
    return std::tuple(plain, later, to.to_host());
  };
  REQUIRE(on(device{}) == on(sysdpo::cpu{}));
}
