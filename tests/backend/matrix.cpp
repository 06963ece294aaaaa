#include "sysdpo/backend/cpu/matrix.hpp"

#include "support/finite_difference.hpp"

using sysdpo::index_t;
using test::random_tensor;

namespace {

template <class T>
sysdpo::cpu_detail::operand<T> operand_of(sysdpo::tensor<sysdpo::cpu, T> const& stored, bool transposed) {
  return {stored.data(), stored.extent(0), stored.extent(1), stored.extent(1), transposed};
}

/// Checks c = a·b and c += a·b, c being part of a wider array, against sums in double.
template <class T>
void check_product(index_t m, index_t n, index_t k, bool transpose_a, bool transpose_b, double tolerance) {
  INFO(m << " x " << n << " x " << k << (transpose_a ? ", a transposed" : "")
         << (transpose_b ? ", b transposed" : ""));
  auto const a = random_tensor<T>(transpose_a ? sysdpo::shape{k, m} : sysdpo::shape{m, k}, 1);
  auto const b = random_tensor<T>(transpose_b ? sysdpo::shape{n, k} : sysdpo::shape{k, n}, 2);
  auto const stride = n + 3;
  auto const before = random_tensor<T>({m, stride}, 3);
  auto const at = [](auto const& tensor, bool transposed, index_t i, index_t j) {
    return static_cast<double>(
        tensor.data()[transposed ? j * tensor.extent(1) + i : i * tensor.extent(1) + j]);
  };
  for (auto const accumulate : {false, true}) {
    auto const c = before.clone();
    sysdpo::cpu_detail::multiply(operand_of(a, transpose_a), operand_of(b, transpose_b), c.data(), stride,
                                 accumulate);
    double worst = 0;
    for (index_t i = 0; i < m; ++i)
      for (index_t j = 0; j < stride; ++j) {
        auto expected = static_cast<double>(before.data()[i * stride + j]);
        if (j < n) {
          expected = accumulate ? expected : 0;
          for (index_t p = 0; p < k; ++p) expected += at(a, transpose_a, i, p) * at(b, transpose_b, p, j);
        }
        auto const apart = std::abs(static_cast<double>(c.data()[i * stride + j]) - expected);
        worst = std::max(worst, j < n ? apart / static_cast<double>(k + 1) : apart * 1e6);
      }
    REQUIRE(worst < tolerance);
  }
}

}  // namespace

TEST_CASE("products agree with the sums that define them, small and large, split over threads too",
          "[backend]") {
  constexpr index_t sizes[][3] = {{1, 1, 1},   {3, 5, 2},    {1, 200, 300}, {300, 1, 200},
                                  {33, 17, 9}, {70, 65, 66}, {200, 31, 40}, {24, 500, 13}};
  auto const threads = sysdpo::cpu_threads();
  for (auto const count : {1, 3}) {
    sysdpo::set_cpu_threads(count);
    for (auto const& [m, n, k] : sizes)
      for (auto const transpose_a : {false, true})
        for (auto const transpose_b : {false, true}) {
          check_product<float>(m, n, k, transpose_a, transpose_b, 1e-6);
          check_product<double>(m, n, k, transpose_a, transpose_b, 1e-14);
        }
  }
  sysdpo::set_cpu_threads(threads);
}

TEST_CASE("a product over nothing is zero", "[backend]") {
  for (auto const accumulate : {false, true}) {
    auto const a = random_tensor<float>({2, 0}, 1);
    auto const b = random_tensor<float>({0, 3}, 2);
    auto const c = random_tensor<float>({2, 3}, 3);
    auto const before = c.clone();
    sysdpo::cpu_detail::multiply(operand_of(a, false), operand_of(b, false), c.data(), 3, accumulate);
    for (index_t i = 0; i < 6; ++i) REQUIRE(c.data()[i] == (accumulate ? before.data()[i] : 0.0F));
  }
}

TEST_CASE("a product is the same on every thread of a parallel loop", "[backend]") {
  auto const a = random_tensor<float>({64, 64}, 1);
  auto const square = [&] {
    sysdpo::tensor<sysdpo::cpu, float> const c({64, 64});
    sysdpo::cpu_detail::multiply(operand_of(a, false), operand_of(a, true), c.data(), 64, false);
    return c.to_host();
  };
  auto const threads = sysdpo::cpu_threads();
  sysdpo::set_cpu_threads(1);
  auto const alone = square();
  sysdpo::set_cpu_threads(3);
  std::vector<std::vector<float>> together(3);
  sysdpo::parallel_for(3, 1, [&](index_t begin, index_t end) {
    for (auto i = begin; i < end; ++i) together[static_cast<std::size_t>(i)] = square();
  });
  sysdpo::set_cpu_threads(threads);
  for (auto const& each : together) REQUIRE(each == alone);
}
