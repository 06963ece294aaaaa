// What every benchmark is made of: a case with its work, the time it takes, and the rate of that work beside
// the ceiling of this machine.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <sysdpo.hpp>
#include <vector>

namespace benchmarks {

using sysdpo::cpu;
using sysdpo::index_t;
using tape = sysdpo::tape<cpu, float>;
using tensor = sysdpo::tensor<cpu, float>;
using variable = sysdpo::variable<cpu, float>;

/// What limits a case: arithmetic (work is counted in floating-point operations) or memory (in bytes).
enum class bound { compute, memory };

/// Something to be timed. `prepare` runs before each sample, untimed.
struct benchmark {
  std::string name;
  std::string shape;
  std::string pass;
  bound limit = bound::compute;
  double work = 0;
  std::function<void()> timed;
  std::function<void()> prepare = [] {};
};

/// The median of the samples that fit into `budget` seconds, at least five, after one that warms up.
inline double median_seconds(benchmark const& one, double budget) {
  using clock = std::chrono::steady_clock;
  auto const sample = [&] {
    one.prepare();
    auto const begin = clock::now();
    one.timed();
    return std::chrono::duration<double>(clock::now() - begin).count();
  };
  sample();
  auto const begin = clock::now();
  std::vector<double> samples;
  while (samples.size() < 5 || std::chrono::duration<double>(clock::now() - begin).count() < budget)
    samples.push_back(sample());
  auto const middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  return *middle;
}

/// Normal random elements.
inline tensor random_tensor(sysdpo::shape const& extents, std::uint64_t seed) {
  tensor made(extents);
  sysdpo::fill_normal(std::span(made.data(), static_cast<std::size_t>(made.size())), {.seed = seed});
  return made;
}

/// `count` numbers that run through 0 … bound − 1 again and again.
inline sysdpo::tensor<cpu, std::int32_t> some_ids(index_t count, index_t bound) {
  sysdpo::tensor<cpu, std::int32_t> ids({count});
  for (index_t i = 0; i < count; ++i) ids.data()[i] = static_cast<std::int32_t>(i * 7919 % bound);
  return ids;
}

/// `count` sequences of `length`.
inline sysdpo::packed_sequences<cpu> sequences(index_t count, index_t length) {
  return sysdpo::pack_lengths<cpu>(std::vector<index_t>(static_cast<std::size_t>(count), length));
}

/// The two that all others are compared with: a product of matrices and a triad over memory.
std::vector<benchmark> ceilings();
/// Every op, forward and backward, at the size of small and of larger models.
std::vector<benchmark> op_benchmarks();
/// Whole steps of training and sampling.
std::vector<benchmark> step_benchmarks();

}  // namespace benchmarks
