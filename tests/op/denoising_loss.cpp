#include "sysdpo/op/denoising_loss.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/denoising_loss.hpp"

using sysdpo::cpu;
using sysdpo::index_t;
using sysdpo::reduction;
using test::random_tensor;

TEST_CASE("denoising losses and ratios have the gradients of finite differences", "[op]") {
  auto const target = random_tensor({3, 2, 4}, 2);
  auto const reference = random_tensor({3, 2, 4}, 3);
  auto const weight = random_tensor({3}, 4);
  for (auto const reduce : {reduction::sum, reduction::mean}) {
    test::check_gradients(
        [&](auto& tape, auto const& in) {
          return sysdpo::denoising_loss(tape, in[0], target, weight, reduce);
        },
        {random_tensor({3, 2, 4}, 1)});
    test::check_gradients(
        [&](auto& tape, auto const& in) {
          return sysdpo::denoising_log_ratio(tape, in[0], reference, target, weight, reduce);
        },
        {random_tensor({3, 2, 4}, 1)});
  }
}

TEST_CASE("the denoising ratio is the reference's loss less the prediction's", "[op]") {
  auto const p = random_tensor({3, 5, 7}, 1);
  auto const reference = random_tensor({3, 5, 7}, 2);
  auto const target = random_tensor({3, 5, 7}, 3);
  auto const weight = random_tensor({3}, 4);
  test::tape tape(sysdpo::recording::off);
  for (auto const reduce : {reduction::sum, reduction::mean}) {
    auto const ours = sysdpo::denoising_loss(tape, tape.constant(p), target, weight, reduce).value();
    auto const theirs =
        sysdpo::denoising_loss(tape, tape.constant(reference), target, weight, reduce).value();
    auto const ratio =
        sysdpo::denoising_log_ratio(tape, tape.constant(p), reference, target, weight, reduce).value();
    for (index_t row = 0; row < 3; ++row) {
      double sum = 0;
      for (index_t i = 0; i < 35; ++i)
        sum += std::pow(target.data()[row * 35 + i] - p.data()[row * 35 + i], 2);
      REQUIRE(ours.data()[row] ==
              Approx(weight.data()[row] * sum / (reduce == reduction::mean ? 35 : 1)).epsilon(1e-12));
      REQUIRE(ratio.data()[row] == Approx(theirs.data()[row] - ours.data()[row]).margin(1e-12));
    }
  }
}

TEST_CASE("the denoising ratio keeps its digits where policy and reference nearly agree", "[op]") {
  index_t const size = 768;
  auto const target = random_tensor<float>({1, size}, 1);
  auto const reference = random_tensor<float>({1, size}, 2);
  auto const nudge = random_tensor<float>({1, size}, 3, 1e-4);
  auto p = reference.clone();
  for (index_t i = 0; i < size; ++i) p.data()[i] += nudge.data()[i];
  double exact = 0;
  for (index_t i = 0; i < size; ++i) {
    double const ours = p.data()[i];
    double const theirs = reference.data()[i];
    exact += (ours - theirs) * (2.0 * target.data()[i] - ours - theirs);
  }
  sysdpo::tape<cpu, float> tape(sysdpo::recording::off);
  auto const weight = sysdpo::tensor<cpu, float>::from_host({1}, std::vector<float>{1000.0F});
  auto const ratio =
      sysdpo::denoising_log_ratio(tape, tape.constant(p), reference, target, weight, reduction::mean).value();
  auto const expected = 1000 * exact / size;
  REQUIRE(std::abs(ratio.data()[0] - expected) < 1e-6 * std::abs(expected) + 1e-7);
  auto const none =
      sysdpo::denoising_log_ratio(tape, tape.constant(reference), reference, target, weight, reduction::mean)
          .value();
  REQUIRE(none.data()[0] == 0.0F);
}

TEST_CASE("denoising losses name the shapes that do not fit", "[op]") {
  test::tape tape;
  auto const p = tape.constant(random_tensor({2, 3}, 1));
  REQUIRE_THROWS_WITH(
      sysdpo::denoising_loss(tape, p, random_tensor({2, 4}, 1), random_tensor({2}, 1), reduction::sum),
      Catch::Contains("target [2, 4]"));
  REQUIRE_THROWS_WITH(
      sysdpo::denoising_loss(tape, p, random_tensor({2, 3}, 1), random_tensor({3}, 1), reduction::sum),
      Catch::Contains("weight [3]"));
  REQUIRE_THROWS_WITH(sysdpo::denoising_log_ratio(tape, p, random_tensor({3, 3}, 1), random_tensor({2, 3}, 1),
                                                  random_tensor({2}, 1), reduction::sum),
                      Catch::Contains("reference"));
}
