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
template <class W, class G = W>
struct weights {
  std::vector<memory<W>> w{};
  std::vector<memory<G>> g{};
  std::vector<memory<float>> m{}, v{};

  explicit weights(std::vector<index_t> const& sizes) {
    for (auto const size : sizes) {
      auto const seed = static_cast<std::uint64_t>(10 * w.size());
      w.push_back(test::random_memory<W>(size, seed));
      g.push_back(test::random_memory<G>(size, seed + 1, 1, std::ssize(g) % 2));
      m.push_back(test::random_memory<float>(size, seed + 2));
      v.push_back(test::random_memory<float>(size, seed + 3));
      for (std::size_t i = 0; i < v.back().size(); ++i) v.back()[i] *= v.back()[i];
    }
  }

  void step(bool stochastic, std::uint32_t number, test::emulation const& how, double scale = 0.25) const {
    std::vector<adamw_tensor<W, G>> tensors;
    index_t blocks = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      auto const size = std::ssize(w[i]);
      tensors.push_back({w[i].data(), g[i].data(), m[i].data(), v[i].data(), size, blocks});
      blocks += adamw<W, G>::blocks_of(size);
    }
    memory<double> const gradient_scale(std::vector<double>{scale});
    memory<adamw_tensor<W, G>> const there(tensors);
    test::run<adamw<W, G>>({there.data(),
                            static_cast<int>(w.size()),
                            blocks,
                            0.9F,
                            0.99F,
                            0.999F,
                            0.02F,
                            4,
                            1e-8F,
                            2.0F,
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

/// Weights and gradients of a type each.
template <class W, class G>
struct formats {
  using weight = W;
  using gradient = G;
};

}  // namespace

TEMPLATE_TEST_CASE("AdamW steps over many tensors at once", "[kernel]", (formats<float, float>),
                   (formats<bf16, bf16>), (formats<half, half>), (formats<float, bf16>),
                   (formats<float, half>), (formats<bf16, float>)) {
  using W = typename TestType::weight;
  for (auto const& how : test::all_orders) {
    weights<W, typename TestType::gradient> const all({1, 7, 0, 1025, 3000, 129});
    weights<W, typename TestType::gradient> const before({1, 7, 0, 1025, 3000, 129});
    all.step(false, 0, how);
    for (std::size_t t = 0; t < all.w.size(); ++t)
      for (std::size_t i = 0; i < all.w[t].size(); ++i) {
        auto const [w, m, v] =
            expected(before.w[t].at(i), before.g[t].at(i), before.m[t].at(i), before.v[t].at(i));
        REQUIRE(test::close(all.w[t].at(i), w, test::rounding<W> + 1e-6));
        REQUIRE(test::close(all.m[t].at(i), m, 1e-6));
        REQUIRE(test::close(all.v[t].at(i), v, 1e-6));
      }
  }
}

TEST_CASE("a scale that is no number changes nothing", "[kernel]") {
  weights<bf16> const all({7, 1025});
  weights<bf16> const before({7, 1025});
  all.step(true, 1, {}, std::nan(""));
  for (std::size_t t = 0; t < all.w.size(); ++t)
    for (std::size_t i = 0; i < all.w[t].size(); ++i) {
      REQUIRE(all.w[t].at(i) == before.w[t].at(i));
      REQUIRE(all.m[t].at(i) == before.m[t].at(i));
      REQUIRE(all.v[t].at(i) == before.v[t].at(i));
    }
}

TEST_CASE("stochastic rounding goes to a neighbour, and to the right mean", "[kernel]") {
  weights<bf16> const before({512});
  std::vector<double> means(512);
  int const draws = 400;
  for (std::uint32_t draw = 0; draw < draws; ++draw) {
    weights<bf16> const one({512});
    one.step(true, draw, {});
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
