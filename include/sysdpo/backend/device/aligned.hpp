// Operands and gradients at addresses that are multiples of 16 bytes, for kernels and libraries that take no
// others: what lies elsewhere goes through memory that does. Only parts of tensors do.
#pragma once

#include <cstdint>

#include "sysdpo/backend/device/elementwise.hpp"
#include "sysdpo/backend/scratch.hpp"

namespace sysdpo::device_detail {

[[nodiscard]] inline bool is_aligned_address(void const* address) {
  return reinterpret_cast<std::uintptr_t>(address) % 16 == 0;
}

/// What is given, or a copy of it.
template <class Backend, class T>
struct aligned_operand {
  scratch_of<Backend, T> copy;
  T const* data;

  explicit aligned_operand(array_view<T const> const& given)
      : copy(is_aligned_address(given.data) ? 0 : given.size()),
        data(copy.data() == nullptr ? given.data : copy.data()) {
    if (copy.data() != nullptr)
      Backend::copy(copy.data(), given.data, static_cast<std::size_t>(given.size()) * sizeof(T));
  }
};

/// Where a gradient goes, or memory from which finish() brings it there.
template <class Backend, class T>
struct aligned_gradient {
  gradient_view<T> given;
  scratch_of<Backend, T> copy;
  gradient_view<T> view;

  explicit aligned_gradient(gradient_view<T> const& to)
      : given(to),
        copy(is_aligned_address(to.data) ? 0 : to.size()),
        view(copy.data() == nullptr ? to : gradient_view<T>{copy.data(), to.extents, false}) {}
  void finish() const {
    if (copy.data() != nullptr)
      map<Backend>(kernel::function::copy{}, given, static_cast<T const*>(copy.data()));
  }
};

}  // namespace sysdpo::device_detail
