// Convolution by products of matrices, for what a GPU's library of convolutions does not take: some images at
// a time become patches (kernel/patches.hpp), as many as their memory allows or one image's, which are
// multiplied with the weights. The same bits in every run. x [N, H, W, C], w [O, C, kh, kw], bias [O] or
// absent, y, dy [N, H', W', O].
#pragma once

#include <algorithm>
#include <type_traits>

#include "sysdpo/backend/conv2d_sizes.hpp"
#include "sysdpo/backend/device/column_sums.hpp"
#include "sysdpo/backend/device/elementwise.hpp"
#include "sysdpo/kernel/patches.hpp"

namespace sysdpo::device_detail {

/// A convolution's parts, for `Backend`. Each takes sizes with something in them.
template <kernel_backend Backend>
class conv2d_by_products {
 public:
  /// `most_bytes`: of patches at a time.
  explicit conv2d_by_products(conv2d_sizes const& sizes, index_t most_bytes = index_t{64} << 20)
      : sizes_(sizes), most_bytes_(most_bytes) {}

  /// y = x∗w + bias.
  template <class T>
  void forward(T const* x, T const* w, T const* bias, T* y) const {
    in_pieces<T>([&](piece const& at, T* patches) {
      take_patches(at, x, patches);
      product::forward(matrix_view<T const>{patches, at.rows, columns()},
                       matrix_view<T const>{w, sizes_.outputs, columns(), true}, bias,
                       matrix_view<T>{y + at.result * sizes_.outputs, at.rows, sizes_.outputs}, false);
    });
  }

  /// dx, or += it.
  template <class T>
  void input_gradient(T const* w, T const* dy, T* dx, bool accumulate) const {
    in_pieces<T>([&](piece const& at, T* dpatches) {
      product::forward(matrix_view<T const>{dy + at.result * sizes_.outputs, at.rows, sizes_.outputs},
                       matrix_view<T const>{w, sizes_.outputs, columns()},
                       matrix_view<T>{dpatches, at.rows, columns()}, false);
      Backend::template launch<kernel::patches_backward<T>>({.dpatches = dpatches,
                                                             .layout = at.layout,
                                                             .dx = dx + at.pixel * sizes_.channels,
                                                             .accumulate = accumulate});
    });
  }

  /// dw, or += it; added up in float.
  template <class T>
  void weight_gradient(T const* x, T const* dy, T* dw, bool accumulate) const {
    auto const size = sizes_.outputs * columns();
    scratch_of<Backend, float> const sums(std::is_same_v<T, float> ? 0 : size);
    auto const add_up = [&](auto* to, bool adds) {
      in_pieces<T>([&](piece const& at, T* patches) {
        take_patches(at, x, patches);
        product::forward(matrix_view<T const>{dy + at.result * sizes_.outputs, at.rows, sizes_.outputs, true},
                         matrix_view<T const>{patches, at.rows, columns()},
                         matrix_view<std::remove_pointer_t<decltype(to)>>{to, sizes_.outputs, columns()},
                         adds || at.pixel > 0);
      });
    };
    if constexpr (std::is_same_v<T, float>) {
      add_up(dw, accumulate);
    } else {
      add_up(sums.data(), false);
      map<Backend>(kernel::function::copy{}, gradient_view<T>{dw, {size}, accumulate},
                   static_cast<float const*>(sums.data()));
    }
  }

 private:
  using product = implement<product_op, Backend>;

  /// Some images.
  struct piece {
    kernel::patches_layout layout;
    index_t pixel;   ///< the first one of x
    index_t result;  ///< the first one of y
    index_t rows;    ///< pixels of y
  };

  [[nodiscard]] index_t columns() const {
    return sizes_.channels * sizes_.kernel_height * sizes_.kernel_width;
  }

  template <class T, class Body>
  void in_pieces(Body&& body) const {
    auto const of_image = sizes_.out_height * sizes_.out_width;
    auto const bytes_of_image = of_image * columns() * index_t{sizeof(T)};
    auto const at_a_time = std::clamp(most_bytes_ / bytes_of_image, index_t{1}, sizes_.images);
    scratch_of<Backend, T> const patches(at_a_time * of_image * columns());
    for (index_t image = 0; image < sizes_.images; image += at_a_time) {
      auto const images = std::min(at_a_time, sizes_.images - image);
      body(piece{.layout = layout_of(images),
                 .pixel = image * sizes_.height * sizes_.width,
                 .result = image * of_image,
                 .rows = images * of_image},
           patches.data());
    }
  }

  template <class T>
  void take_patches(piece const& at, T const* x, T* patches) const {
    Backend::template launch<kernel::patches<T>>(
        {.x = x + at.pixel * sizes_.channels, .layout = at.layout, .patches = patches});
  }

  [[nodiscard]] kernel::patches_layout layout_of(index_t images) const {
    auto const narrowed = [](index_t size) { return narrow("conv2d", size); };
    return {.images = images,
            .height = narrowed(sizes_.height),
            .width = narrowed(sizes_.width),
            .channels = narrowed(sizes_.channels),
            .kernel_height = narrowed(sizes_.kernel_height),
            .kernel_width = narrowed(sizes_.kernel_width),
            .stride = narrowed(sizes_.stride),
            .padding = narrowed(sizes_.padding),
            .out_height = narrowed(sizes_.out_height),
            .out_width = narrowed(sizes_.out_width)};
  }

  conv2d_sizes sizes_;
  index_t most_bytes_;
};

}  // namespace sysdpo::device_detail
