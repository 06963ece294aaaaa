#include "sysdpo/op/layer_norm.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/layer_norm.hpp"

using sysdpo::index_t;
using test::random_tensor;

TEST_CASE("layer_norm agrees with its definition and its finite differences", "[op]") {
  auto const x = random_tensor({4, 5}, 1, 2.0);
  auto const gamma = random_tensor({5}, 2);
  auto const beta = random_tensor({5}, 3);
  test::tape tape(sysdpo::recording::off);
  auto const y =
      sysdpo::layer_norm(tape, tape.constant(x), tape.constant(gamma), tape.constant(beta), 0.1).value();
  for (index_t n = 0; n < 4; ++n) {
    double mean = 0;
    double square = 0;
    for (index_t c = 0; c < 5; ++c) {
      mean += x.data()[n * 5 + c] / 5;
      square += x.data()[n * 5 + c] * x.data()[n * 5 + c] / 5;
    }
    for (index_t c = 0; c < 5; ++c)
      REQUIRE(y.data()[n * 5 + c] ==
              Approx((x.data()[n * 5 + c] - mean) / std::sqrt(square - mean * mean + 0.1) * gamma.data()[c] +
                     beta.data()[c]));
  }
  test::check_gradients(
      [](auto& t, auto const& in) { return sysdpo::layer_norm(t, in[0], in[1], in[2], 0.1); },
      {x, gamma, beta});
}

TEST_CASE("layer_norm in float survives a large mean", "[op]") {
  auto x = random_tensor<float>({1, 64}, 1);
  for (index_t i = 0; i < 64; ++i) x.data()[i] += 1000;
  sysdpo::tensor<sysdpo::cpu, float> gamma({64});
  std::fill_n(gamma.data(), 64, 1.0F);
  sysdpo::tape<sysdpo::cpu, float> tape(sysdpo::recording::off);
  auto const y = sysdpo::layer_norm(tape, tape.constant(x), tape.constant(gamma),
                                    tape.constant(sysdpo::tensor<sysdpo::cpu, float>::zeros({64})));
  double square = 0;
  for (auto const value : y.value().to_host())
    square += static_cast<double>(value) * static_cast<double>(value) / 64;
  REQUIRE(square == Approx(1).epsilon(1e-3));
}

TEST_CASE("layer_norm names widths that differ", "[op]") {
  test::tape tape;
  auto const x = tape.constant(random_tensor({2, 3}, 1));
  auto const three = tape.constant(random_tensor({3}, 2));
  auto const four = tape.constant(random_tensor({4}, 2));
  REQUIRE_THROWS_WITH(sysdpo::layer_norm(tape, x, four, four), Catch::Contains("[4]"));
  REQUIRE_THROWS_WITH(sysdpo::layer_norm(tape, x, three, four), Catch::Contains("beta [4]"));
}
