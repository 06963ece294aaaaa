// Log-probabilities on kernels: of large vocabularies, and of words that have none.
#include <algorithm>
#include <limits>

#include "support/device.hpp"
#include "sysdpo/op/head_log_prob.hpp"
#include "sysdpo/op/log_softmax_gather.hpp"
#include "sysdpo/op/scale.hpp"

using namespace test;

TEMPLATE_TEST_CASE("vocabularies of 262,144 words on kernels agree with the CPU", "[backend]",
                   SYSDPO_FORMATS) {
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

TEMPLATE_TEST_CASE("words without probability stay so on kernels", "[backend]", SYSDPO_FORMATS) {
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
