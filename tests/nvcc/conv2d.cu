// Convolution by cuDNN, in all formats.
#include "sysdpo/backend/cuda/conv2d.cuh"

namespace {

template <class T>
void convolve(T* memory) {
  using op = sysdpo::implement<sysdpo::conv2d_op, sysdpo::cuda>;
  sysdpo::array_view<T const> const x{memory, {1, 8, 8, 4}};
  sysdpo::array_view<T const> const w{memory, {2, 4, 3, 3}};
  sysdpo::array_view<T> const y{memory, {1, 8, 8, 2}};
  op::forward<T>(x, w, {}, y, 1, 1);
  op::backward<T>(x, w, y, {memory, x.extents, true}, {memory, w.extents}, {memory, {2}, true}, 1, 1);
}

}  // namespace

void convolve(float* x, sysdpo::bf16* y, sysdpo::half* z) {
  convolve(x);
  convolve(y);
  convolve(z);
}
