#include <Eigen/Core>

#include "measure.hpp"

namespace benchmarks {

std::vector<benchmark> ceilings() {
  using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  constexpr index_t n = 1024;
  auto const a = std::make_shared<matrix>(matrix::Random(n, n));
  auto const b = std::make_shared<matrix>(matrix::Random(n, n));
  auto const c = std::make_shared<matrix>(n, n);
  constexpr index_t elements = index_t{1} << 24;  // 64 MiB: far beyond the caches
  auto const x = tensor::zeros({elements});
  auto const y = tensor::zeros({elements});
  auto const z = tensor::zeros({elements});
  return {{"GEMM (Eigen)", "1024 x 1024 x 1024", "", bound::compute, 2.0 * n * n * n,
           [=] {
             sysdpo::parallel_for(n, 64, [&](index_t begin, index_t end) {
               c->middleRows(begin, end - begin).noalias() = a->middleRows(begin, end - begin) * *b;
             });
           }},
          {"triad", "3 x 64 MiB", "", bound::memory, 3.0 * elements * sizeof(float), [=] {
             sysdpo::parallel_for(elements, elements / 64, [&](index_t begin, index_t end) {
               using array = Eigen::Map<Eigen::ArrayXf>;
               auto const part = [&](tensor const& t) { return array(t.data() + begin, end - begin); };
               part(x) = part(y) + 1.5F * part(z);
             });
           }}};
}

}  // namespace benchmarks
