#include "sysdpo/kernel/gradient_clip.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "support/emulation.hpp"

using test::bf16;
using test::emulation;
using test::half;
using test::index_t;
using test::memory;

TEMPLATE_TEST_CASE("the squared norm of gradients", "[kernel]", float, bf16, half) {
  auto const first = test::random_memory<TestType>(2500, 1);
  auto const second = test::random_memory<TestType>(33, 2, 1, 1);
  memory<TestType> const none(0);
  double sum = 0;
  for (auto const* const x : {&first, &second})
    for (std::size_t i = 0; i < x->size(); ++i) sum += x->at(i) * x->at(i);
  for (index_t const share : {32, 1024, 4096}) {
    using kernel_type = sysdpo::kernel::squared_norm<TestType>;
    std::vector<sysdpo::kernel::squared_norm_tensor<TestType>> list;
    index_t blocks = 0;
    for (auto const* const x : {&none, &first, &none, &second, &none}) {
      list.push_back({x->data(), std::ssize(*x), blocks});
      blocks += kernel_type::blocks_of(std::ssize(*x), share);
    }
    memory<sysdpo::kernel::squared_norm_tensor<TestType>> const there(list);
    test::check_barriers([&](emulation const& how) {
      memory<double> sums(blocks), total(1);
      test::run<kernel_type>({there.data(), static_cast<int>(list.size()), share, blocks, sums.data()}, how);
      test::run<sysdpo::kernel::squared_norm_end>({sums.data(), static_cast<int>(blocks), total.data()}, how);
      return test::close(total[0], sum, 1e-12);
    });
  }
}

namespace {

/// The scales of models with those norms, after a step with those losses.
std::vector<double> scales_of(std::vector<double> const& norms, std::vector<double> const& losses,
                              double bound, emulation const& how) {
  memory<double> squares(std::ssize(norms)), scales(std::ssize(norms));
  for (std::size_t i = 0; i < norms.size(); ++i) squares[i] = norms[i] * norms[i];
  memory<double> const given(losses);
  test::run<sysdpo::kernel::gradient_scales>({squares.data(), static_cast<int>(norms.size()), given.data(),
                                              std::ssize(losses), bound, scales.data()},
                                             how);
  std::vector<double> result;
  for (std::size_t i = 0; i < norms.size(); ++i) result.push_back(scales[i]);
  return result;
}

}  // namespace

TEST_CASE("scales bring the norms that are too large down to the bound", "[kernel]") {
  test::check_barriers([](emulation const& how) {
    std::vector<double> losses(333, 0.5);
    bool good = scales_of({0.5, 4, 0}, losses, 2, how) == std::vector<double>{1, 0.5, 1} &&
                scales_of({0.5, 4}, {}, 0, how) == std::vector<double>{1, 1};
    // A number that is unsound, wherever a thread may come upon it, leaves no model a scale.
    for (auto const place : {std::size_t{0}, std::size_t{127}, std::size_t{300}}) {
      losses[place] = place == 0 ? std::numeric_limits<double>::infinity() : std::nan("");
      for (auto const scale : scales_of({0.5, 4, 0}, losses, 2, how)) good = good && std::isnan(scale);
      losses[place] = 0.5;
    }
    return good;
  });
}

TEST_CASE("a norm that is no finite number takes the scales of all models", "[kernel]") {
  for (auto const unsound : {std::nan(""), std::numeric_limits<double>::infinity()})
    for (auto const scale : scales_of({1, unsound, 2}, {0.5}, 1, {})) CHECK(std::isnan(scale));
}
