#include "sysdpo/op/log_softmax_gather.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/log_softmax_gather.hpp"

using ids = sysdpo::tensor<sysdpo::cpu, std::int32_t>;
using sysdpo::index_t;
using test::random_tensor;

TEST_CASE("log_softmax_gather agrees with its definition and its finite differences", "[op]") {
  auto const logits = random_tensor({4, 9}, 1, 3.0);
  auto const targets = ids::from_host({4}, std::vector<std::int32_t>{8, 0, 3, 3});
  test::tape tape(sysdpo::recording::off);
  auto const y = sysdpo::log_softmax_gather(tape, tape.constant(logits), targets).value();
  for (index_t n = 0; n < 4; ++n) {
    double sum = 0;
    for (index_t v = 0; v < 9; ++v) sum += std::exp(logits.data()[n * 9 + v]);
    REQUIRE(y.data()[n] == Approx(logits.data()[n * 9 + targets.data()[n]] - std::log(sum)));
  }
  test::check_gradients(
      [&](auto& t, auto const& in) { return sysdpo::log_softmax_gather(t, in[0], targets); }, {logits});
}

TEST_CASE("log_softmax_gather in float does not mind large logits", "[op]") {
  auto const logits =
      sysdpo::tensor<sysdpo::cpu, float>::from_host({2, 2}, std::vector<float>{1e4F, 1e4F, -1e4F, 0});
  sysdpo::tape<sysdpo::cpu, float> tape(sysdpo::recording::off);
  auto const y =
      sysdpo::log_softmax_gather(tape, tape.constant(logits), ids::from_host({2}, std::vector{1, 0})).value();
  REQUIRE(y.data()[0] == Approx(-std::log(2.0)));
  REQUIRE(y.data()[1] == -1e4F);
}

TEST_CASE("log_softmax_gather names a target beyond the vocabulary", "[op]") {
  test::tape tape;
  auto const logits = tape.constant(random_tensor({2, 3}, 1));
  REQUIRE_THROWS_WITH(
      sysdpo::log_softmax_gather(tape, logits, ids::from_host({2}, std::vector{0, 3})),
      Catch::Contains("position 1") && Catch::Contains("id 3") && Catch::Contains("vocabulary of 3"));
  REQUIRE_THROWS_WITH(sysdpo::log_softmax_gather(tape, logits, ids::from_host({1}, std::vector{0})),
                      Catch::Contains("[2, 3]"));
}
