#include "sysdpo/kernel/adamw.hpp"

#include "support/emulation.hpp"

using sysdpo::kernel::adamw;
using sysdpo::kernel::adamw_tensor;
using test::bf16;
using test::half;
using test::index_t;
using test::memory;

namespace {

/// Tensors of some sizes, and one step over all of them.
template <class T>
struct weights {
  std::vector<memory<T>> w{}, g{};
  std::vector<memory<float>> m{}, v{}, master{};

  explicit weights(std::vector<index_t> const& sizes) {
    for (auto const size : sizes) {
      auto const seed = static_cast<std::uint64_t>(10 * w.size());
      w.push_back(test::random_memory<T>(size, seed));
      g.push_back(test::random_memory<T>(size, seed + 1));
      m.push_back(test::random_memory<float>(size, seed + 2));
      v.push_back(test::random_memory<float>(size, seed + 3));
      master.emplace_back(size);
      for (std::size_t i = 0; i < v.back().size(); ++i) {
        v.back()[i] *= v.back()[i];
        master.back()[i] = static_cast<float>(w.back()[i]);
      }
    }
  }

  void step(bool with_master, bool stochastic, std::uint32_t number, test::emulation const& how) const {
    std::vector<adamw_tensor<T>> tensors;
    index_t blocks = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      auto const size = std::ssize(w[i]);
      tensors.push_back({w[i].data(), g[i].data(), m[i].data(), v[i].data(),
                         with_master ? master[i].data() : nullptr, size, blocks});
      blocks += adamw<T>::blocks_of(size);
    }
    memory<float> const gradient_scale(std::vector<float>{0.5F});
    memory<adamw_tensor<T>> const there(tensors);
    test::run<adamw<T>>({there.data(),
                         static_cast<int>(w.size()),
                         blocks,
                         0.9F,
                         0.99F,
                         0.999F,
                         0.02F,
                         4,
                         1e-8F,
                         gradient_scale.data(),
                         stochastic,
                         {.seed = 1, .visit = number}},
                        how);
  }
};

/// The weight, first and second moment after that step.
std::array<double, 3> expected(double w, double g, double m, double v) {
  g *= 0.5;
  m = 0.9 * m + 0.1 * g;
  v = 0.99 * v + 0.01 * g * g;
  return {w * 0.999 - 0.02 * m / (std::sqrt(v * 4) + 1e-8), m, v};
}

}  // namespace

TEMPLATE_TEST_CASE("AdamW steps over many tensors at once", "[kernel]", float, bf16, half) {
  for (bool const with_master : {false, true})
    for (auto const& how : test::all_orders) {
      weights<TestType> const all({1, 7, 0, 1025, 3000});
      weights<TestType> const before({1, 7, 0, 1025, 3000});
      all.step(with_master, false, 0, how);
      for (std::size_t t = 0; t < all.w.size(); ++t)
        for (std::size_t i = 0; i < all.w[t].size(); ++i) {
          auto const [w, m, v] =
              expected(before.w[t].at(i), before.g[t].at(i), before.m[t].at(i), before.v[t].at(i));
          REQUIRE(test::close(all.w[t].at(i), w, test::rounding<TestType> + 1e-6));
          REQUIRE(test::close(all.m[t].at(i), m, 1e-6));
          REQUIRE(test::close(all.v[t].at(i), v, 1e-6));
          if (with_master) REQUIRE(test::close(all.master[t].at(i), w, 1e-6));
        }
    }
}

TEST_CASE("stochastic rounding goes to a neighbour, and to the right mean", "[kernel]") {
  weights<bf16> const before({512});
  std::vector<double> means(512);
  int const draws = 400;
  for (std::uint32_t draw = 0; draw < draws; ++draw) {
    weights<bf16> const one({512});
    one.step(false, true, draw, {});
    for (std::size_t i = 0; i < 512; ++i) {
      auto const w = expected(before.w[0].at(i), before.g[0].at(i), before.m[0].at(i), before.v[0].at(i))[0];
      REQUIRE(std::abs(one.w[0].at(i) - w) <= 0x1p-7 * std::abs(w) + 1e-6);
      means[i] += (one.w[0].at(i) - w) / draws;
    }
  }
  double bias = 0;  // in units of half a spacing; a standard deviation is about 1 / sqrt(512 · 400)
  for (std::size_t i = 0; i < 512; ++i)
    bias += means[i] / (0x1p-8 * std::abs(before.w[0].at(i)) + 1e-3) / 512;
  REQUIRE(std::abs(bias) < 0.02);
}
