#include "sysdpo/optim/adamw.hpp"

#include <limits>
#include <numeric>

#include "support/catch.hpp"
#include "sysdpo/backend/cpu.hpp"

namespace {

using weights_type = sysdpo::parameter_set<sysdpo::cpu, sysdpo::precision<double>>;
using optimizer_type = sysdpo::adamw<sysdpo::cpu, sysdpo::precision<double>>;

void set_gradient(weights_type& weights, std::string const& name, std::vector<double> const& values) {
  auto& weight = *weights.find(name);
  weight.gradient.open(weight.value.extents());
  std::copy(values.begin(), values.end(), weight.gradient.value.data());
}

/// One number trained as the paper's algorithm 2 has it, with η α = rate.
struct by_hand {
  double weight;
  double m = 0;
  double v = 0;
  int steps = 0;

  void step(double gradient, double rate, double decay, sysdpo::adamw_options const& options) {
    ++steps;
    m = options.beta1 * m + (1 - options.beta1) * gradient;
    v = options.beta2 * v + (1 - options.beta2) * gradient * gradient;
    auto const m_hat = m / (1 - std::pow(options.beta1, steps));
    auto const v_hat = v / (1 - std::pow(options.beta2, steps));
    weight -= rate * (m_hat / (std::sqrt(v_hat) + options.epsilon) + decay * weight);
  }
};

}  // namespace

TEST_CASE("AdamW follows the paper's algorithm", "[optim]") {
  weights_type weights(3);
  weights.add("matrix", {2, 2}, sysdpo::normal(1));
  weights.add("gain", {3}, sysdpo::normal(1));
  std::vector<by_hand> matrix;
  std::vector<by_hand> gain;
  for (auto const value : weights.find("matrix")->value.to_host()) matrix.push_back({value});
  for (auto const value : weights.find("gain")->value.to_host()) gain.push_back({value});

  sysdpo::adamw_options const options{.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3, .weight_decay = 0.1};
  optimizer_type optimizer(options);
  for (int step = 0; step < 5; ++step) {
    std::vector<double> of_matrix;
    std::vector<double> of_gain;
    auto const rate = 0.1 / (1 + step);
    auto const scale = step == 2 ? 0.25 : 1.0;
    for (std::size_t i = 0; i < 4; ++i) {
      of_matrix.push_back(std::sin(static_cast<double>(i) + 2.0 * step));
      matrix[i].step(scale * of_matrix[i], rate, options.weight_decay, options);
    }
    for (std::size_t i = 0; i < 3; ++i) {
      of_gain.push_back(std::cos(static_cast<double>(i) - 1.5 * step));
      gain[i].step(scale * of_gain[i], rate, 0, options);  // one axis: no decay
    }
    weights.clear_gradients();
    set_gradient(weights, "matrix", of_matrix);
    set_gradient(weights, "gain", of_gain);
    optimizer.step(weights, rate, scale);
  }
  auto const a = weights.find("matrix")->value.to_host();
  auto const b = weights.find("gain")->value.to_host();
  for (std::size_t i = 0; i < 4; ++i) CHECK(a[i] == Approx(matrix[i].weight).epsilon(1e-12));
  for (std::size_t i = 0; i < 3; ++i) CHECK(b[i] == Approx(gain[i].weight).epsilon(1e-12));
}

TEST_CASE("a scale that the host need not know does the same, and one that is no number nothing", "[optim]") {
  weights_type known(3);
  weights_type unknown(3);
  optimizer_type first;
  optimizer_type second;
  for (auto* const weights : {&known, &unknown}) {
    weights->add("w", {4}, sysdpo::normal(1));
    set_gradient(*weights, "w", {1, -2, 3, 0.5});
  }
  auto const scale_of = [](double scale) {
    return sysdpo::tensor<sysdpo::cpu, double>::from_host({1}, std::vector<double>{scale});
  };
  for (auto const scale : {0.5, 0.25}) {
    auto const none = scale_of(std::nan(""));
    auto const steps = second.steps();
    second.step(unknown, 0.1, none.const_view());
    second.recount(steps);
    CHECK(unknown.find("w")->value.to_host() == known.find("w")->value.to_host());
    first.step(known, 0.1, scale);
    auto const same = scale_of(scale);
    second.step(unknown, 0.1, same.const_view());
    CHECK(unknown.find("w")->value.to_host() == known.find("w")->value.to_host());
  }
  CHECK(second.steps() == 2);
}

TEST_CASE("gradients' scales bound their norms, and are none where anything is unsound", "[optim]") {
  using array = sysdpo::tensor<sysdpo::cpu, double>;
  auto const scales = [](std::vector<double> const& squared_norms, std::vector<double> const& losses,
                         double bound) {
    return sysdpo::gradient_scales(array::from_host({std::ssize(squared_norms)}, squared_norms),
                                   array::from_host({std::ssize(losses)}, losses), bound)
        .to_host();
  };
  CHECK(scales({16, 1, 0}, {0.5, 3}, 2) == std::vector<double>{0.5, 1, 1});
  CHECK(scales({16, 1, 0}, {0.5, 3}, 0) == std::vector<double>{1, 1, 1});
  for (auto const unsound : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    for (auto const scale : scales({16, unsound}, {0.5}, 2)) CHECK(std::isnan(scale));
    for (auto const scale : scales({16, 1}, {0.5, -unsound}, 0)) CHECK(std::isnan(scale));
  }
}

TEST_CASE("weights that are frozen or without a gradient stay as they are", "[optim]") {
  weights_type weights(3);
  for (auto const* name : {"frozen", "unused", "trained"}) weights.add(name, {2, 2}, sysdpo::normal(1));
  weights.set_trainable(false, "frozen");
  set_gradient(weights, "frozen", {1, 2, 3, 4});
  set_gradient(weights, "trained", {1, 2, 3, 4});
  std::vector<std::vector<double>> before;
  for (auto const& weight : weights) before.push_back(weight.value.to_host());
  optimizer_type optimizer({.weight_decay = 0.5});
  optimizer.step(weights, 0.1);
  CHECK(weights.find("frozen")->value.to_host() == before[0]);
  CHECK(weights.find("unused")->value.to_host() == before[1]);
  CHECK(weights.find("trained")->value.to_host() != before[2]);
  CHECK_FALSE(optimizer.state()[0].first);
  CHECK(optimizer.state()[2].first);
}

TEST_CASE("the gradient's norm is taken over trainable weights that have one", "[optim]") {
  weights_type weights(3);
  for (auto const* name : {"a", "b", "frozen", "unused"}) weights.add(name, {2}, sysdpo::zeros);
  set_gradient(weights, "a", {3, 0});
  set_gradient(weights, "b", {0, -4});
  set_gradient(weights, "frozen", {100, 100});
  weights.set_trainable(false, "frozen");
  CHECK(sysdpo::squared_gradient_norm(weights) == 25);
}

TEST_CASE("settings outside their range are refused by name", "[optim]") {
  using Catch::Contains;
  CHECK_THROWS_WITH(optimizer_type({.beta1 = 1}), Contains("beta1"));
  CHECK_THROWS_WITH(optimizer_type({.beta2 = -0.1}), Contains("beta2"));
  CHECK_THROWS_WITH(optimizer_type({.epsilon = 0}), Contains("epsilon"));
  CHECK_THROWS_WITH(optimizer_type({.weight_decay = std::nan("")}), Contains("weight_decay"));
}

TEST_CASE("steps below the last place of bf16 weights are not lost", "[optim]") {
  using precision = sysdpo::precision<sysdpo::bf16, float>;
  sysdpo::parameter_set<sysdpo::cpu, precision> weights;
  auto& weight = weights.add("w", {10000}, sysdpo::ones);
  weight.gradient.open({10000});
  std::fill_n(weight.gradient.value.data(), 10000, 1.0F);
  sysdpo::adamw<sysdpo::cpu, precision> optimizer;
  for (int step = 0; step < 10; ++step) optimizer.step(weights, 1e-4);
  auto const values = weight.value.to_host_widened();
  auto const mean = std::accumulate(values.begin(), values.end(), 0.0) / 10000;
  CHECK(mean == Approx(1 - 10 * 1e-4).margin(1e-4));  // a place below 1 is 0.004
  CHECK(std::count(values.begin(), values.end(), 1.0F) > 5000);
}
