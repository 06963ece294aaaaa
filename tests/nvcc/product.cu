// Products by cuBLASLt, in all formats.
#include "sysdpo/backend/cuda/product.cuh"

namespace {

template <class T, class Out>
void multiply(T const* a, Out* c) {
  using sysdpo::matrix_view;
  using product = sysdpo::implement<sysdpo::product_op, sysdpo::cuda>;
  product::forward(matrix_view<T const>{a, 4, 2}, matrix_view<T const>{a, 3, 2, true},
                   matrix_view<Out>{c, 4, 3}, false);
  product::forward(matrix_view<T const>{a, 2, 4, true}, matrix_view<T const>{a, 2, 3}, c,
                   matrix_view<Out>{c, 4, 3}, true);
}

}  // namespace

void multiply(float* x, sysdpo::bf16* y, sysdpo::half* z) {
  multiply(x, x);
  multiply(y, y);
  multiply(z, z);
  multiply(y, x);
  multiply(z, x);
}
