// Memory for the time of one call.
#pragma once

#include "sysdpo/backend/concept.hpp"

namespace sysdpo {

/// `count` uninitialised elements from the backend's pool, given back at the end of the scope; null where
/// there are none. What was issued before may still use them: the pool hands them on in the order of the
/// work.
template <backend Backend, class T>
class scratch_of {
 public:
  explicit scratch_of(index_t count)
      : block_(count == 0 ? nullptr : Backend::memory().take(static_cast<std::size_t>(count) * sizeof(T))) {}
  scratch_of(scratch_of const&) = delete;
  scratch_of& operator=(scratch_of const&) = delete;
  ~scratch_of() {
    if (block_ != nullptr) Backend::memory().give_back(block_);
  }

  [[nodiscard]] T* data() const noexcept {
    return block_ == nullptr ? nullptr : static_cast<T*>(block_->data);
  }
  [[nodiscard]] T& operator[](index_t i) const noexcept { return data()[i]; }

 private:
  memory_block* block_;
};

}  // namespace sysdpo
