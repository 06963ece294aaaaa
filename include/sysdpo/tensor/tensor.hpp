// An owning N-d array typed by backend and scalar. Copies share the memory (reference-counted, cheap);
// `clone` does not. Always contiguous and row-major; memory comes from the backend's pool and returns there
// with the last owner.
#pragma once

#include <atomic>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "sysdpo/backend/concept.hpp"
#include "sysdpo/core/array_view.hpp"
#include "sysdpo/core/scalar.hpp"

namespace sysdpo {

/// An N-d array in the memory of a backend.
template <backend Backend, class T>
class tensor {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  using backend_type = Backend;
  using value_type = T;

  /// Owns nothing; `data()` is null and `size()` 0.
  tensor() = default;

  /// Uninitialised elements.
  explicit tensor(shape const& extents) : extents_(extents) {
    for (int axis = 0; axis < extents.rank(); ++axis)
      if (extents[axis] < 0)
        fail({"tensor", to_string(extents), "an extent is negative", "Check where the shape is computed"});
    block_ = Backend::memory().take(static_cast<std::size_t>(extents.size()) * sizeof(T));
    data_ = static_cast<T*>(block_->data);
  }

  /// All elements 0.
  [[nodiscard]] static tensor zeros(shape const& extents) {
    tensor made(extents);
    Backend::zero(made.data_, made.bytes());
    return made;
  }

  /// A copy of `host`, row-major, whose size must be that of `extents`.
  [[nodiscard]] static tensor from_host(shape const& extents, std::span<T const> host) {
    if (static_cast<index_t>(host.size()) != extents.size())
      fail({"tensor", to_string(extents), "was given " + std::to_string(host.size()) + " elements",
            "Give as many elements as the shape holds"});
    tensor made(extents);
    Backend::upload(made.data_, host.data(), made.bytes());
    return made;
  }

  /// Another owner of the same memory.
  tensor(tensor const& other) noexcept : block_(other.block_), data_(other.data_), extents_(other.extents_) {
    if (block_ != nullptr) block_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  /// Takes over the memory; `other` is empty then.
  tensor(tensor&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        extents_(std::exchange(other.extents_, shape{0})) {}
  /// Shares the memory of `other` and lets go of its own.
  tensor& operator=(tensor other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(extents_, other.extents_);
    return *this;
  }
  /// Lets go of the memory; the last owner gives it back to the pool.
  ~tensor() {
    if (block_ != nullptr && block_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1)
      Backend::memory().give_back(block_);
  }

  [[nodiscard]] T* data() const noexcept { return data_; }
  [[nodiscard]] index_t size() const noexcept { return block_ == nullptr ? 0 : extents_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return static_cast<std::size_t>(size()) * sizeof(T); }
  [[nodiscard]] shape const& extents() const noexcept { return extents_; }
  [[nodiscard]] index_t extent(int axis) const noexcept { return extents_[axis]; }
  [[nodiscard]] explicit operator bool() const noexcept { return block_ != nullptr; }
  /// Whether no other tensor shares the memory: whoever holds this one may then overwrite it unnoticed.
  [[nodiscard]] bool is_sole_owner() const noexcept {
    return block_ != nullptr && block_->owners.load(std::memory_order_acquire) == 1;
  }

  [[nodiscard]] array_view<T> view() const noexcept { return {data_, extents_}; }
  [[nodiscard]] array_view<T const> const_view() const noexcept { return {data_, extents_}; }

  /// The same elements under other extents of the same size; shares the memory.
  [[nodiscard]] tensor reshaped(shape const& extents) const {
    if (extents.size() != size())
      fail({"tensor", to_string(extents_), "cannot be seen as " + to_string(extents), "Keep the size"});
    tensor other = *this;
    other.extents_ = extents;
    return other;
  }

  /// Elements [begin, end) of the outermost axis; shares the memory.
  [[nodiscard]] tensor slice(index_t begin, index_t end) const {
    if (extents_.rank() == 0 || begin < 0 || end < begin || end > extents_[0])
      fail({"tensor", to_string(extents_),
            "slice [" + std::to_string(begin) + ", " + std::to_string(end) + ") lies outside",
            "Stay within the outermost axis"});
    tensor other = *this;
    shape extents{end - begin};
    for (int axis = 1; axis < extents_.rank(); ++axis) extents.append(extents_[axis]);
    if (extents_[0] != 0) other.data_ += begin * (extents_.size() / extents_[0]);
    other.extents_ = extents;
    return other;
  }

  /// An independent copy.
  [[nodiscard]] tensor clone() const {
    if (block_ == nullptr) return {};
    tensor copy(extents_);
    Backend::copy(copy.data_, data_, bytes());
    return copy;
  }

  /// The elements on the host. Waits for the backend.
  [[nodiscard]] std::vector<T> to_host() const {
    std::vector<T> host(static_cast<std::size_t>(size()));
    Backend::download(host.data(), data_, bytes());
    return host;
  }
  /// The same as numbers to compute with: float where T has 16 bits.
  [[nodiscard]] std::vector<widened<T>> to_host_widened() const {
    auto host = to_host();
    if constexpr (std::is_same_v<T, widened<T>>)
      return host;
    else
      return std::vector<widened<T>>(host.begin(), host.end());
  }

 private:
  memory_block* block_ = nullptr;
  T* data_ = nullptr;
  shape extents_{0};
};

}  // namespace sysdpo
