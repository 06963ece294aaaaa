// Checks the gradients of a differentiable function in double against central differences.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/cpu/elementwise.hpp"
#include "sysdpo/tensor/tape.hpp"

namespace test {

using sysdpo::cpu;
using sysdpo::index_t;
using sysdpo::shape;

using tape = sysdpo::tape<cpu, double>;
using tensor = sysdpo::tensor<cpu, double>;
using variable = sysdpo::variable<cpu, double>;

/// Normal random elements, the same in every run for the same seed.
template <class T = double>
sysdpo::tensor<cpu, T> random_tensor(shape const& extents, unsigned seed, double scale = 1.0) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal(0.0, scale);
  sysdpo::tensor<cpu, T> made(extents);
  for (index_t i = 0; i < made.size(); ++i) made.data()[i] = static_cast<T>(normal(engine));
  return made;
}

/// Leaves NaN in the memory that the next tensors of `size` elements are given.
template <class T = double>
void poison_memory(index_t size) {
  std::vector<sysdpo::tensor<cpu, T>> held;
  for (int i = 0; i < 8; ++i) {
    auto const& made = held.emplace_back(shape{size});
    std::fill_n(made.data(), size, std::numeric_limits<T>::quiet_NaN());
  }
}

struct difference_options {
  double step = 1e-5;
  double tolerance = 1e-6;  ///< of |analytic − numeric| / (1 + |numeric|)
};

/// `function(tape, inputs)` must build its result from the watched `inputs` alone. The check weighs the
/// result by random upstream values u, so L = Σ u·f, and compares dL/dx with (L(x+h) − L(x−h)) / 2h at every
/// element of every input. The analytic gradients are taken twice on one slot, which holds NaN at first, so
/// that both `=` and `+=` are exercised.
inline void check_gradients(std::function<variable(tape&, std::vector<variable> const&)> const& function,
                            std::vector<tensor> const& inputs, difference_options const& options = {}) {
  auto const evaluate = [&](tensor const& upstream) {
    tape scratch(sysdpo::recording::off);
    std::vector<variable> arguments;
    for (auto const& input : inputs) arguments.push_back(scratch.constant(input));
    auto const y = function(scratch, arguments);
    double sum = 0;
    for (index_t i = 0; i < upstream.size(); ++i) sum += upstream.data()[i] * y.value().data()[i];
    return sum;
  };

  std::vector<sysdpo::gradient_slot<cpu, double>> slots(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    slots[i].value = tensor(inputs[i].extents());
    std::fill_n(slots[i].value.data(), inputs[i].size(), std::numeric_limits<double>::quiet_NaN());
  }
  tensor upstream;
  for (int pass = 0; pass < 2; ++pass) {
    tape recorded;
    std::vector<variable> arguments;
    for (std::size_t i = 0; i < inputs.size(); ++i) arguments.push_back(recorded.watch(inputs[i], slots[i]));
    auto const y = function(recorded, arguments);
    REQUIRE(y.wants_gradient());
    if (pass == 0) upstream = random_tensor(y.extents(), 12345);
    recorded.backward(y, upstream);
  }

  for (std::size_t i = 0; i < inputs.size(); ++i) {
    REQUIRE(slots[i].filled);
    for (index_t j = 0; j < inputs[i].size(); ++j) {
      auto& element = inputs[i].data()[j];
      auto const original = element;
      element = original + options.step;
      auto const above = evaluate(upstream);
      element = original - options.step;
      auto const below = evaluate(upstream);
      element = original;
      auto const numeric = (above - below) / (2 * options.step);
      auto const analytic = slots[i].value.data()[j] / 2;
      INFO("input " << i << " element " << j << ": analytic " << analytic << ", numeric " << numeric);
      REQUIRE(std::abs(analytic - numeric) <= options.tolerance * (1 + std::abs(numeric)));
    }
  }
}

}  // namespace test
