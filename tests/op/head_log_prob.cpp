#include "sysdpo/op/head_log_prob.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/head_log_prob.hpp"
#include "sysdpo/backend/cpu/linear.hpp"
#include "sysdpo/backend/cpu/log_softmax_gather.hpp"
#include "sysdpo/op/linear.hpp"
#include "sysdpo/op/log_softmax_gather.hpp"

using ids = sysdpo::tensor<sysdpo::cpu, std::int32_t>;
using sysdpo::index_t;
using test::random_tensor;

TEST_CASE("head_log_prob has the gradients of finite differences", "[op]") {
  auto const targets = ids::from_host({4}, std::vector<std::int32_t>{6, 0, 3, 3});
  test::check_gradients(
      [&](auto& t, auto const& in) { return sysdpo::head_log_prob(t, in[0], in[1], targets); },
      {random_tensor({4, 3}, 1), random_tensor({7, 3}, 2)});
}

TEST_CASE("head_log_prob equals head, then log-probability, over several chunks", "[op]") {
  auto const [tokens, vocabulary] =
      GENERATE(std::pair<index_t, index_t>{300, 4500}, std::pair<index_t, index_t>{2000, 300},
               std::pair<index_t, index_t>{0, 5});
  auto const hidden = random_tensor({tokens, 4}, 1);
  auto const head = random_tensor({vocabulary, 4}, 2);
  std::vector<std::int32_t> chosen;
  for (index_t n = 0; n < tokens; ++n) chosen.push_back(static_cast<std::int32_t>(n * 37 % vocabulary));
  auto const targets = ids::from_host({tokens}, chosen);
  auto const upstream = random_tensor({tokens}, 3);
  sysdpo::gradient_slot<sysdpo::cpu, double> slots[4];
  std::vector<double> values[2];
  for (int fused = 0; fused < 2; ++fused) {
    test::tape tape;
    auto const x = tape.watch(hidden, slots[fused]);
    auto const w = tape.watch(head, slots[2 + fused]);
    auto const y = fused == 1 ? sysdpo::head_log_prob(tape, x, w, targets)
                              : sysdpo::log_softmax_gather(tape, sysdpo::linear(tape, x, w), targets);
    values[fused] = y.value().to_host();
    tape.backward(y, upstream);
  }
  auto const compare = [](std::vector<double> const& a, std::vector<double> const& b) {
    REQUIRE(a.size() == b.size());
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
    REQUIRE(worst < 1e-11);
  };
  compare(values[0], values[1]);
  compare(slots[0].value.to_host(), slots[1].value.to_host());
  compare(slots[2].value.to_host(), slots[3].value.to_host());
}

TEST_CASE("head_log_prob names a target beyond the vocabulary", "[op]") {
  test::tape tape;
  auto const hidden = tape.constant(random_tensor({2, 3}, 1));
  auto const head = tape.constant(random_tensor({5, 3}, 2));
  REQUIRE_THROWS_WITH(
      sysdpo::head_log_prob(tape, hidden, head, ids::from_host({2}, std::vector{0, 5})),
      Catch::Contains("position 1") && Catch::Contains("id 5") && Catch::Contains("vocabulary of 5"));
  REQUIRE_THROWS_WITH(sysdpo::head_log_prob(tape, hidden, tape.constant(random_tensor({5, 4}, 2)),
                                            ids::from_host({2}, std::vector{0, 1})),
                      Catch::Contains("[5, 4]"));
}
