#include "sysdpo/op/group_norm.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/group_norm.hpp"

using sysdpo::activation;
using sysdpo::index_t;
using test::random_tensor;

TEST_CASE("group_norm has the gradients of finite differences, with and without silu", "[op]") {
  for (auto const then : {activation::none, activation::silu})
    for (index_t const groups : {1, 2, 6})
      test::check_gradients(
          [&](auto& tape, auto const& in) {
            return sysdpo::group_norm(tape, in[0], in[1], in[2],
                                      {.groups = groups, .epsilon = 1e-3, .then = then});
          },
          {random_tensor({2, 3, 2, 6}, 1), random_tensor({6}, 2), random_tensor({6}, 3)});
}

TEST_CASE("group_norm leaves frozen scales alone and works for constants", "[op]") {
  test::check_gradients(
      [](auto& tape, auto const& in) {
        return sysdpo::group_norm(tape, in[0], tape.constant(random_tensor({4}, 2)),
                                  tape.constant(random_tensor({4}, 3)), {.groups = 2});
      },
      {random_tensor({2, 5, 4}, 1)});
}

TEST_CASE("group_norm takes one variable as gamma and beta", "[op]") {
  test::check_gradients(
      [](auto& tape, auto const& in) { return sysdpo::group_norm(tape, in[0], in[1], in[1], {.groups = 2}); },
      {random_tensor({2, 3, 4}, 1), random_tensor({4}, 2)});
}

TEST_CASE("group_norm gives each group of an image mean 0 and variance 1", "[op]") {
  index_t const images = 3;
  index_t const pixels = 70;
  auto const channels = GENERATE(index_t{8}, index_t{60});  // 60: blocks of all widths
  index_t const groups = 4;
  auto const width = channels / groups;
  auto x = random_tensor<float>({images, 10, 7, channels}, 1, 3.0);
  for (index_t i = 0; i < x.size(); ++i) x.data()[i] += 100.0F;
  auto gamma = random_tensor<float>({channels}, 2);
  auto beta = random_tensor<float>({channels}, 3);
  sysdpo::tape<sysdpo::cpu, float> tape(sysdpo::recording::off);
  auto const y = sysdpo::group_norm(tape, tape.constant(x), tape.constant(gamma), tape.constant(beta),
                                    {.groups = groups, .epsilon = 1e-5, .then = activation::silu})
                     .value();
  for (index_t n = 0; n < images; ++n)
    for (index_t g = 0; g < groups; ++g) {
      double sum = 0;
      double squares = 0;
      auto const at = [&](index_t p, index_t c) { return (n * pixels + p) * channels + g * width + c; };
      for (index_t p = 0; p < pixels; ++p)
        for (index_t c = 0; c < width; ++c) sum += x.data()[at(p, c)];
      auto const mean = sum / static_cast<double>(width * pixels);
      for (index_t p = 0; p < pixels; ++p)
        for (index_t c = 0; c < width; ++c) squares += std::pow(x.data()[at(p, c)] - mean, 2);
      auto const deviation = std::sqrt(squares / static_cast<double>(width * pixels) + 1e-5);
      for (index_t p = 0; p < pixels; ++p)
        for (index_t c = 0; c < width; ++c) {
          auto const u = (x.data()[at(p, c)] - mean) / deviation * gamma.data()[g * width + c] +
                         beta.data()[g * width + c];
          REQUIRE(y.data()[at(p, c)] == Approx(u / (1 + std::exp(-u))).margin(2e-5));
        }
    }
}

TEST_CASE("group_norm refuses groups that do not divide the channels", "[op]") {
  test::tape tape;
  auto const x = tape.constant(random_tensor({1, 2, 2, 6}, 1));
  auto const scale = tape.constant(random_tensor({6}, 1));
  REQUIRE_THROWS_WITH(sysdpo::group_norm(tape, x, scale, scale, {.groups = 4}), Catch::Contains("4 groups"));
  REQUIRE_THROWS_WITH(sysdpo::group_norm(tape, x, tape.constant(random_tensor({5}, 1)), scale, {.groups = 2}),
                      Catch::Contains("gamma [5]"));
}

TEST_CASE("group_norm adds epsilon to the variance, which keeps a constant image finite", "[op]") {
  auto const normalised = [](std::vector<double> const& pixels) {
    test::tape tape(sysdpo::recording::off);
    auto const x = test::tensor::from_host({1, 2, 1}, pixels);
    auto const one = test::tensor::from_host({1}, std::vector{1.0});
    auto const zero = test::tensor::from_host({1}, std::vector{0.0});
    return sysdpo::group_norm(tape, tape.constant(x), tape.constant(one), tape.constant(zero),
                              {.groups = 1, .epsilon = 3})
        .value()
        .to_host();
  };
  REQUIRE(normalised({4, 6})[0] == Approx(-0.5));  // the variance is 1
  REQUIRE(normalised({4, 6})[1] == Approx(0.5));
  REQUIRE(normalised({4, 4}) == std::vector<double>{0, 0});
}
