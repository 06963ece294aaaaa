#include "sysdpo/kernel/group_norm.hpp"

#include "support/emulation.hpp"
#include "sysdpo/kernel/column_sums.hpp"

using test::bf16;
using test::emulation;
using test::half;
using test::index_t;
using test::memory;

namespace {

struct sizes {
  int images, pixels, channels, groups, parts;
  bool silu;
  float mean = 2;
};

template <class T>
struct problem {
  sizes is;
  memory<T> x, gamma, beta, dy;

  explicit problem(sizes const& given, index_t shift = 0)
      : is(given),
        x(test::random_memory<T>(count(), 1, 1, shift)),
        gamma(test::random_memory<T>(given.channels, 2)),
        beta(test::random_memory<T>(given.channels, 3)),
        dy(test::random_memory<T>(count(), 4, 1, shift)) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = T(static_cast<float>(x[i]) + given.mean);
  }

  [[nodiscard]] bool passes(emulation const& how, bool accumulate = false) const {
    namespace k = sysdpo::kernel;
    double const epsilon = 1e-5;
    index_t const channels = index_t{is.images} * is.channels;
    memory<float> means(is.images * is.groups), scales(is.images * is.groups), slopes(channels),
        shifts(channels);
    memory<float> sums(channels * 2 * is.parts), image_sums(channels * 2), tilts(channels), offsets(channels);
    k::group_norm_layout const layout{is.images,    is.pixels,     is.channels,   is.groups,    is.parts,
                                      means.data(), scales.data(), slopes.data(), shifts.data()};
    memory<T> y(count()), dx(count()), dgamma(is.channels), dbeta(is.channels);
    for (auto* const gradient : {&dx, &dgamma, &dbeta})
      for (std::size_t i = 0; accumulate && i < gradient->size(); ++i) (*gradient)[i] = T(1.0F);
    double const before = accumulate ? 1 : 0;
    test::run<k::group_norm_sums<T>>({x.data(), layout, sums.data()}, how);
    test::run<k::group_norm_statistics<T>>({x.data(), gamma.data(), beta.data(), layout, sums.data(), 1e-5F},
                                           how);
    test::run<k::group_norm<T>>({x.data(), layout, is.silu, y.data()}, how);
    for (auto* const line : {&slopes, &shifts}) std::fill_n(line->data(), line->size(), 0.0F);
    test::run<k::group_norm_lines<T>>({gamma.data(), beta.data(), layout}, how);
    test::run<k::group_norm_backward_sums<T>>({x.data(), dy.data(), layout, is.silu, sums.data()}, how);
    test::run<k::group_norm_backward_statistics<T>>(
        {gamma.data(), layout, sums.data(), image_sums.data(), tilts.data(), offsets.data()}, how);
    test::run<k::group_norm_backward<T>>(
        {x.data(), dy.data(), layout, is.silu, tilts.data(), offsets.data(), dx.data(), accumulate}, how);
    test::run<k::column_sums_end<T>>(
        {image_sums.data(), 1, is.channels, is.images, dgamma.data(), accumulate}, how);
    test::run<k::column_sums_end<T>>(
        {image_sums.data() + channels, 1, is.channels, is.images, dbeta.data(), accumulate}, how);

    auto const c_count = static_cast<std::size_t>(is.channels);
    auto const p_count = static_cast<std::size_t>(is.pixels);
    auto const width = c_count / static_cast<std::size_t>(is.groups);
    auto const members = static_cast<double>(p_count * width);
    double const unit = 2 * test::rounding<T> + 2e-6 * (1 + static_cast<double>(std::abs(is.mean)));
    std::vector<double> gains(c_count), biases(c_count);
    for (std::size_t n = 0; n < static_cast<std::size_t>(is.images); ++n)
      for (std::size_t g = 0; g < static_cast<std::size_t>(is.groups); ++g) {
        auto const each = [&](auto&& body) {
          for (std::size_t p = 0; p < p_count; ++p)
            for (std::size_t c = g * width; c < (g + 1) * width; ++c)
              body((n * p_count + p) * c_count + c, c);
        };
        double mean = 0;
        double variance = 0;
        each([&](std::size_t i, std::size_t) { mean += x.at(i) / members; });
        each([&](std::size_t i, std::size_t) { variance += std::pow(x.at(i) - mean, 2) / members; });
        auto const scale = 1 / std::sqrt(variance + epsilon);
        double sum = 0;
        double product = 0;
        bool good = true;
        auto const inner = [&](std::size_t i, std::size_t c) {
          auto const z = (x.at(i) - mean) * scale * gamma.at(c) + beta.at(c);
          auto const s = 1 / (1 + std::exp(-z));
          return std::pair(is.silu ? z * s : z, dy.at(i) * (is.silu ? s * (1 + z * (1 - s)) : 1));
        };
        each([&](std::size_t i, std::size_t c) {
          auto const [value, u] = inner(i, c);
          good = good && test::close(y.at(i), value, unit * (1 + scale));
          auto const normal = (x.at(i) - mean) * scale;
          gains[c] += u * normal;
          biases[c] += u;
          sum += u * gamma.at(c) / members;
          product += u * gamma.at(c) * normal / members;
        });
        each([&](std::size_t i, std::size_t c) {
          auto const u = inner(i, c).second;
          auto const slope = scale * (u * gamma.at(c) - sum - (x.at(i) - mean) * scale * product);
          good = good && test::close(dx.at(i), before + slope, 2 * unit * (1 + scale) * (1 + scale));
        });
        if (!good) return false;
      }
    for (std::size_t c = 0; c < c_count; ++c)
      if (!test::close(dgamma.at(c), before + gains[c], 4 * unit) ||
          !test::close(dbeta.at(c), before + biases[c], 4 * unit))
        return false;
    return true;
  }

 private:
  [[nodiscard]] index_t count() const { return index_t{is.images} * is.pixels * is.channels; }
};

}  // namespace

TEMPLATE_TEST_CASE("group norm with and without silu agrees with its definition", "[kernel]", float, bf16,
                   half) {
  for (bool const silu : {false, true}) {
    for (auto const& how : test::all_orders) {
      REQUIRE(problem<TestType>({2, 33, 12, 3, 2, silu}).passes(how));  // channels that fill no pack
      REQUIRE(problem<TestType>({2, 40, 48, 4, 3, silu}).passes(how));
    }
    REQUIRE(problem<TestType>({1, 1, 7, 1, 1, silu}).passes({}));
    REQUIRE(problem<TestType>({3, 129, 32, 32, 2, silu}).passes({}, true));  // a channel a group
    REQUIRE(
        problem<TestType>({1, 3, 2304, 9, 5, silu}).passes({}));  // more parts than pixels, two blocks wide
    REQUIRE(problem<TestType>({2, 9, 16, 2, 2, silu}, 1).passes({}));  // an image that begins anywhere
  }
}

TEST_CASE("a mean far above the deviation costs group norm no digits", "[kernel]") {
  REQUIRE(problem<float>({1, 100, 8, 2, 2, false, 300}).passes({}));
}

TEST_CASE("each barrier of group norm is needed", "[kernel]") {
  problem<bf16> const given({2, 150, 24, 3, 2, true});
  test::check_barriers([&](emulation const& how) { return given.passes(how); });
}
