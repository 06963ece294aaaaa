#include "sysdpo/kernel/row_norm.hpp"

#include "support/emulation.hpp"
#include "sysdpo/kernel/column_sums.hpp"

namespace kernel = sysdpo::kernel;
using test::bf16;
using test::emulation;
using test::half;
using test::index_t;
using test::memory;

namespace {

template <kernel::norm Kind, class T>
struct problem {
  index_t rows;
  int width;
  memory<T> x, gamma, beta, dy;

  problem(index_t n, int d, index_t shift = 0)
      : rows(n),
        width(d),
        x(test::random_memory<T>(n * d, 1, 2, shift)),
        gamma(test::random_memory<T>(d, 2)),
        beta(test::random_memory<T>(d, 3)),
        dy(test::random_memory<T>(n * d, 4, 1, shift)) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = T(static_cast<float>(x[i]) + 3);
  }

  template <int RowThreads>
  [[nodiscard]] bool passes(emulation const& how, int parts = 2, bool accumulate = false) const {
    double const epsilon = 1e-5;
    bool const layer = Kind == kernel::norm::layer;
    memory<T> y(rows * width), dx(rows * width), dgamma(width), dbeta(width);
    for (auto* const gradient : {&dx, &dgamma, &dbeta})
      for (std::size_t i = 0; accumulate && i < gradient->size(); ++i) (*gradient)[i] = T(1.0F);
    double const before = accumulate ? 1 : 0;
    memory<float> means(rows), scales(rows), sums(index_t{2} * parts * width);
    test::run<kernel::row_norm<Kind, T, RowThreads>>(
        {x.data(), gamma.data(), layer ? beta.data() : nullptr, rows, width, 1e-5F, y.data(),
         layer ? means.data() : nullptr, scales.data()},
        how);
    test::run<kernel::row_norm_backward<Kind, T, RowThreads>>(
        {x.data(), gamma.data(), means.data(), scales.data(), dy.data(), rows, width, dx.data(), accumulate},
        how);
    test::run<kernel::row_norm_gain_backward<Kind, T>>(
        {x.data(), means.data(), scales.data(), dy.data(), rows, width, parts, sums.data()}, how);
    test::run<kernel::column_sums_end<T>>({sums.data(), 1, width, parts, dgamma.data(), accumulate}, how);
    if (layer)
      test::run<kernel::column_sums_end<T>>(
          {sums.data() + index_t{parts} * width, 1, width, parts, dbeta.data(), accumulate}, how);

    auto const d = static_cast<std::size_t>(width);
    std::vector<double> gains(d), biases(d);
    double const unit = 2 * test::rounding<T> + 4e-6;
    for (std::size_t n = 0; n < static_cast<std::size_t>(rows); ++n) {
      double mean = 0;
      double square = 0;
      for (std::size_t i = 0; layer && i < d; ++i) mean += x.at(n * d + i) / width;
      for (std::size_t i = 0; i < d; ++i) square += std::pow(x.at(n * d + i) - mean, 2) / width;
      auto const scale = 1 / std::sqrt(square + epsilon);
      double sum = 0;
      double product = 0;
      for (std::size_t i = 0; i < d; ++i) {
        auto const normal = (x.at(n * d + i) - mean) * scale;
        if (!test::close(y.at(n * d + i), normal * gamma.at(i) + (layer ? beta.at(i) : 0), unit))
          return false;
        gains[i] += dy.at(n * d + i) * normal;
        biases[i] += dy.at(n * d + i);
        if (layer) sum += dy.at(n * d + i) * gamma.at(i) / width;
        product += dy.at(n * d + i) * gamma.at(i) * normal / width;
      }
      for (std::size_t i = 0; i < d; ++i) {
        auto const normal = (x.at(n * d + i) - mean) * scale;
        auto const slope = scale * (dy.at(n * d + i) * gamma.at(i) - sum - normal * product);
        if (!test::close(dx.at(n * d + i), before + slope, unit * (1 + scale))) return false;
      }
    }
    for (std::size_t i = 0; i < d; ++i)
      if (!test::close(dgamma.at(i), before + gains[i], unit) ||
          (layer && !test::close(dbeta.at(i), before + biases[i], unit)))
        return false;
    return true;
  }
};

template <kernel::norm Kind, class T>
void check() {
  for (int const width : {1, 7, 33, 129, 1100})
    for (auto const& how : test::all_orders) {
      INFO(width << " wide");
      REQUIRE(problem<Kind, T>(5, width).template passes<128>(how));
      REQUIRE(problem<Kind, T>(5, width).template passes<32>(how));
    }
  // Rows that begin anywhere, more parts than rows.
  REQUIRE(problem<Kind, T>(3, 136, 1).template passes<128>({}, 5, true));
  REQUIRE(problem<Kind, T>(3, 136, 1).template passes<32>({}, 5, true));
  REQUIRE(problem<Kind, T>(0, 8).template passes<128>({}));
  REQUIRE(problem<Kind, T>(0, 8).template passes<32>({}));
  problem<Kind, T> const given(4, 600);
  test::check_barriers([&](emulation const& how) { return given.template passes<128>(how); });
}

}  // namespace

TEMPLATE_TEST_CASE("RMS norm agrees with its definition, and needs its barriers", "[kernel]", float, bf16,
                   half) {
  check<kernel::norm::rms, TestType>();
}

TEMPLATE_TEST_CASE("layer norm agrees with its definition, and needs its barriers", "[kernel]", float, bf16,
                   half) {
  check<kernel::norm::layer, TestType>();
}
