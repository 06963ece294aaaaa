// Working memory of a CPU operation, from the same pool as tensors: a warmed-up step asks the system for
// nothing.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/core/array_view.hpp"

namespace sysdpo::cpu_detail {

/// `count` uninitialised elements, 64-byte aligned, given back at the end of the scope.
template <class T>
class scratch {
 public:
  explicit scratch(index_t count) : block_(cpu::memory().take(static_cast<std::size_t>(count) * sizeof(T))) {}
  scratch(scratch const&) = delete;
  scratch& operator=(scratch const&) = delete;
  ~scratch() { cpu::memory().give_back(block_); }

  [[nodiscard]] T* data() const noexcept { return static_cast<T*>(block_->data); }
  [[nodiscard]] T& operator[](index_t i) const noexcept { return data()[i]; }

 private:
  memory_block* block_;
};

}  // namespace sysdpo::cpu_detail
