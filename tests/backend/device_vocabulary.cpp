// Log-probabilities on kernels: of large vocabularies, and of words that have none.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "support/device.hpp"
#include "sysdpo/backend/device/planned.hpp"
#include "sysdpo/op/head_log_prob.hpp"
#include "sysdpo/op/log_softmax_gather.hpp"
#include "sysdpo/op/scale.hpp"

using namespace test;

TEMPLATE_TEST_CASE("vocabularies of 262,144 words on kernels agree with the CPU", "[backend]",
                   SYSDPO_FORMATS_OF_WORDS) {
  check_op<TestType>(
      []<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
        return log_softmax_gather(tape, in[0], ids<B>({262143, 0}));
      },
      {{{2, 262144}, 4}});
  check_op<TestType>(
      []<class B, class T>(sysdpo::tape<B, T>& tape, std::vector<sysdpo::variable<B, T>> const& in) {
        return head_log_prob(tape, in[0], in[1], ids<B>({8191, 262143}));
      },
      {{{2, 4}}, {{262144, 4}}});
}

TEMPLATE_TEST_CASE("kernels tell entropies and most probable words as the CPU does", "[backend]",
                   SYSDPO_FORMATS_OF_WORDS) {
  auto const told = []<class B, class T>(sysdpo::tape<B, T> tape, numbers const& values) {
    sysdpo::word_statistics<B, T> statistics;
    (void)log_softmax_gather(tape, tape.constant(tensor_of<B, T>({4, 1500}, values)), ids<B>({7, 0, 1499, 3}),
                             sysdpo::logits_memory::reuse_if_free, &statistics);
    return std::pair(numbers_of(statistics.entropies), statistics.tops.to_host());
  };
  auto values = random_numbers<TestType>(6000, 1, 4);
  constexpr auto infinity = std::numeric_limits<double>::infinity();
  values[5] = -infinity;
  values[4499] = 40;
  std::fill_n(values.begin() + 1500, 1500, -infinity);  // no distribution: no entropy
  values[4600] = std::nan("");                          // likewise
  using recording = sysdpo::recording;
  auto const expected = told(sysdpo::tape<sysdpo::cpu, double>(recording::off), values);
  auto const got = told(sysdpo::tape<device, TestType>(recording::off), values);
  REQUIRE(std::isnan(expected.first[1]));
  REQUIRE(std::isnan(expected.first[3]));
  REQUIRE(agree(got.first, expected.first, 1e-5));
  for (auto const row : {std::size_t{0}, std::size_t{2}}) REQUIRE(got.second[row] == expected.second[row]);
  for (auto const row : {std::size_t{1}, std::size_t{3}})
    for (auto const top : {got.second[row], expected.second[row]}) REQUIRE((top >= 0 && top < 1500));
}

TEMPLATE_TEST_CASE("log-probabilities without logits take a small part of what logits would", "[backend]",
                   SYSDPO_FORMATS_OF_WORDS) {
  using counted = sysdpo::planned_of<device>;
  auto& memory = counted::memory();
  constexpr index_t tokens = 16384;
  constexpr index_t width = 64;
  for (index_t const vocabulary : {32000, 151936, 262144}) {
    sysdpo::gradient_slot<counted, TestType> dhidden, dhead;
    auto const step = [&] {
      sysdpo::tape<counted, TestType> tape;
      auto const hidden = tape.watch(sysdpo::tensor<counted, TestType>({tokens, width}), dhidden);
      auto const head = tape.watch(sysdpo::tensor<counted, TestType>({vocabulary, width}), dhead);
      sysdpo::tensor<counted, std::int32_t> const targets({tokens});
      memory.reset_peak();
      auto const before = memory.bytes_in_use();
      auto const y = head_log_prob(tape, hidden, head, targets);
      tape.backward(y, sysdpo::tensor<counted, float>({tokens}));
      return memory.peak_bytes() - before;
    };
    (void)step();  // takes the gradients
    CHECK(static_cast<double>(step()) < 0.22 * sizeof(TestType) * static_cast<double>(tokens * vocabulary));
  }
}

TEMPLATE_TEST_CASE("words without probability stay so on kernels", "[backend]", SYSDPO_FORMATS_OF_WORDS) {
  constexpr auto infinity = std::numeric_limits<double>::infinity();
  std::vector<input> const logits{{{3, 1500}}};
  std::vector<numbers> values{random_numbers<TestType>(4500, 1, 4)};
  for (std::size_t i = 0; i < 4500; i += 3) values[0][i] = -infinity;  // the second row's target too
  std::fill_n(values[0].begin() + 1, 1400, -infinity);
  for (double const factor : {1., 0.}) {  // of the gradient that comes back
    auto const op = [&]<class B, class T>(sysdpo::tape<B, T>& tape,
                                          std::vector<sysdpo::variable<B, T>> const& in) {
      auto const log_probs = log_softmax_gather(tape, in[0], ids<B>({1450, 0, 4}));
      auto const scaled = sysdpo::scale(tape, log_probs, factor);
      return sysdpo::variable<B, sysdpo::widened<T>>(log_probs.value(), scaled.node());
    };
    auto const expected = results_of<sysdpo::cpu, double>(op, logits, values, 1);
    REQUIRE(expected[0][1] == -infinity);
    in_all_orders([&] {
      auto const got = results_of<device, TestType>(op, logits, values, 1);
      for (std::size_t i = 0; i < 2; ++i) REQUIRE(agree(got[i], expected[i], 4 * unit<TestType> + 1e-6));
    });
  }
}
