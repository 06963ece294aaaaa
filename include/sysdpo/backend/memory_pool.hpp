// A caching allocator: blocks go back to a free list, not to the system, so that a training step allocates
// nothing once the largest shape was seen. One pool serves one kind of memory (host, one device); it is safe
// to share among threads.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "sysdpo/core/error.hpp"

namespace sysdpo {

/// An amount of memory in messages.
[[nodiscard]] inline std::string memory_text(std::size_t bytes) {
  return bytes < 10 << 20 ? std::to_string(bytes >> 10) + " KiB" : std::to_string(bytes >> 20) + " MiB";
}

/// Thrown through work that is walked again (backend/recorded_step.hpp) where it turns out to be other
/// work than was recorded. Nothing but the walk catches it.
struct other_work {};

/// One piece of pooled memory and the number of tensors that share it.
struct memory_block {
  void* data = nullptr;
  std::size_t bytes = 0;
  int device = 0;  ///< whose memory it is, where a backend has several
  std::atomic<int> owners{0};

  // The pool's own, under its lock.
  std::uint64_t reservation = 0;  ///< which one the block belongs to; 0: none
  bool is_back = false;           ///< given back, and not yet taken again
};

/// `Source` provides `static void* allocate(std::size_t)` and `static void release(void*, std::size_t)`;
/// `allocate` throws `sysdpo::error` when there is no memory left. A source whose large pieces are of a
/// `static constexpr granularity`, a power of 2, says so: blocks of more than half of it are whole multiples,
/// so that what the pool counts is what the source gives.
template <class Source>
class memory_pool {
 public:
  memory_pool() = default;
  memory_pool(memory_pool const&) = delete;
  memory_pool& operator=(memory_pool const&) = delete;
  ~memory_pool() { trim(); }

  /// A block of at least `bytes` bytes with one owner. Its content is garbage. \throws memory_error if the
  /// system refuses, or the limit would be passed.
  [[nodiscard]] memory_block* take(std::size_t bytes) {
    auto const rounded = size_class(bytes);
    {
      std::scoped_lock const lock(mutex_);
      auto const thread = std::this_thread::get_id();
      if (repetition_.thread == thread) return take_again(rounded);
      if (reservation_ != 0 && reserving_ != thread)
        fail({"memory pool", "", "another thread records work that uses it",
              "Record while no other thread uses the backend"});
      auto& free = free_[class_index(rounded)];
      in_use_ += rounded;
      if (!free.empty()) {
        auto* const block = free.back();
        free.pop_back();
        return hand_out(block);
      }
      if (held_ + rounded > limit_) trim_locked();
      if (held_ + rounded > limit_) {
        refused_at_ = in_use_ -= rounded;
        refuse(rounded);
      }
      held_ += rounded;
      ++system_allocations_;
    }
    auto* block = new memory_block;
    try {
      block->data = allocate(rounded);
    } catch (...) {
      delete block;
      std::scoped_lock const lock(mutex_);
      refused_at_ = in_use_ -= rounded;
      held_ -= rounded;
      throw;
    }
    block->bytes = rounded;
    std::scoped_lock const lock(mutex_);
    return hand_out(block);
  }

  /// Returns a block that lost its last owner.
  void give_back(memory_block* block) noexcept {
    std::scoped_lock const lock(mutex_);
    in_use_ -= block->bytes;
    block->is_back = true;
    if (block->reservation == reservation_)
      free_[class_index(block->bytes)].push_back(block);
    else if (block->reservation == 0)
      reserve(block);  // it is older than the reservation under way, and keeps its content
  }

  /// Hands every unused block back to the system; while a reservation is under way, none.
  void trim() noexcept {
    std::scoped_lock const lock(mutex_);
    trim_locked();
  }

  /// Most bytes to take from the system from now on, blocks that wait for reuse included; what is beyond it
  /// already stays. 0 lifts the limit.
  void set_limit(std::size_t bytes) noexcept {
    std::scoped_lock const lock(mutex_);
    limit_ = bytes == 0 ? no_limit : bytes;
  }

  /// Blocks that are set apart.
  struct reservation {
    std::vector<memory_block*> blocks;
    std::vector<memory_block*> taken;  ///< what requests got, one after the other
  };

  /// From here to `end_reservation()` the pool notes which blocks are used, for work that this thread records
  /// now and does again later, any number of times. What is taken and given back meanwhile serves the next
  /// request, as always; older blocks that are given back keep their content, if they are of no reservation
  /// before. Other threads' requests are refused. \throws error if one is under way.
  void begin_reservation() {
    std::scoped_lock const lock(mutex_);
    if (reservation_ != 0)
      fail({"memory pool", "", "two reservations at a time", "End the first one before you begin another"});
    reservation_ = ++reservations_;
    reserving_ = std::this_thread::get_id();
  }

  /// The blocks noted, which serve no request until `release` gets them, whoever gives them back.
  [[nodiscard]] reservation end_reservation() noexcept {
    std::scoped_lock const lock(mutex_);
    for (auto& free : free_)
      std::erase_if(free, [&](memory_block const* block) { return block->reservation == reservation_; });
    reservation_ = 0;
    return std::exchange(reserved_, {});
  }

  /// From here to `end_repetition()` requests of this thread get what those of the reservation got, in their
  /// order; one of another size, or for a block that is still in use, throws `other_work`. `reserved` must
  /// live on. \throws error if another repetition is under way.
  void begin_repetition(reservation const& reserved) {
    std::scoped_lock const lock(mutex_);
    if (repetition_.of != nullptr)
      fail({"memory pool", "", "two repetitions at a time", "End the first one before you begin another"});
    repetition_ = {&reserved, 0, false, std::this_thread::get_id()};
  }
  /// Whether every block of the reservation was asked for.
  bool end_repetition() noexcept {
    std::scoped_lock const lock(mutex_);
    auto const ended = std::exchange(repetition_, {});
    return !ended.differs && ended.next == ended.of->taken.size();
  }

  /// Ends the reservation: blocks that were given back serve requests again.
  void release(reservation const& reserved) noexcept {
    std::scoped_lock const lock(mutex_);
    for (auto* block : reserved.blocks) {
      block->reservation = 0;
      if (block->is_back) free_[class_index(block->bytes)].push_back(block);
    }
  }

  /// How often the system was asked for memory so far: constant over a step in a warmed-up training loop.
  [[nodiscard]] std::uint64_t system_allocations() const noexcept { return locked(system_allocations_); }
  /// Bytes owned by tensors now, and the most there ever were since the last `reset_peak()`.
  [[nodiscard]] std::size_t bytes_in_use() const noexcept { return locked(in_use_); }
  [[nodiscard]] std::size_t peak_bytes() const noexcept { return locked(peak_); }
  /// Bytes that tensors owned when the last request was refused.
  [[nodiscard]] std::size_t bytes_when_refused() const noexcept { return locked(refused_at_); }
  /// Bytes that the pool has from the system, in use or not.
  [[nodiscard]] std::size_t held_bytes() const noexcept { return locked(held_); }
  /// Starts a new peak at what is in use now.
  void reset_peak() noexcept {
    std::scoped_lock const lock(mutex_);
    peak_ = in_use_;
  }

 private:
  /// Serves a request, which is counted already, with `block`.
  memory_block* hand_out(memory_block* block) {
    if (reservation_ != 0) reserved_.taken.push_back(block);
    reserve(block);
    own(block);
    return block;
  }

  /// The block has its first owner.
  void own(memory_block* block) noexcept {
    block->owners.store(1, std::memory_order_relaxed);
    block->is_back = false;
    peak_ = std::max(peak_, in_use_);
  }

  /// The block that this request got when the work was recorded.
  memory_block* take_again(std::size_t rounded) {
    auto& [of, next, differs, thread] = repetition_;
    auto* const block = next == of->taken.size() ? nullptr : of->taken[next];
    if (block == nullptr || block->bytes != rounded || !block->is_back) {
      differs = true;  // whoever catches what this throws
      throw other_work{};
    }
    ++next;
    in_use_ += rounded;
    own(block);
    return block;
  }

  /// Notes a block for the reservation under way.
  void reserve(memory_block* block) {
    if (reservation_ == 0 || block->reservation == reservation_) return;
    block->reservation = reservation_;
    reserved_.blocks.push_back(block);
  }

  /// Memory from the system; where it has none left, once more after it got the unused blocks back.
  void* allocate(std::size_t bytes) {
    try {
      return Source::allocate(bytes);
    } catch (error const&) {
      trim();
    }
    try {
      return Source::allocate(bytes);
    } catch (error const& refused) {
      throw memory_error(refused.parts());
    }
  }

  [[noreturn]] void refuse(std::size_t bytes) const {
    throw memory_error({"memory pool", "",
                        memory_text(bytes) + " more than the " + memory_text(held_) +
                            " in use would pass the limit of " + memory_text(limit_),
                        "Use smaller batches or raise the limit"});
  }

  void trim_locked() noexcept {
    if (reservation_ != 0) return;
    for (auto& free : free_) {
      for (auto* block : free) {
        Source::release(block->data, block->bytes);
        held_ -= block->bytes;
        delete block;
      }
      free.clear();
    }
  }

  static constexpr auto no_limit = std::numeric_limits<std::size_t>::max() / 2;

  static constexpr std::size_t smallest = 256;
  static constexpr int steps_per_doubling = 4;  // at most a quarter of a block is wasted, or a granule

  static constexpr std::size_t granularity = [] {
    if constexpr (requires { Source::granularity; })
      return std::size_t{Source::granularity};
    else
      return std::size_t{1};
  }();

  static std::size_t size_class(std::size_t bytes) noexcept {
    if (bytes <= smallest) return smallest;
    auto const step = std::max(std::bit_floor(bytes - 1) / steps_per_doubling,
                               bytes > granularity / 2 ? granularity : std::size_t{1});
    return (bytes + step - 1) / step * step;
  }

  static std::size_t class_index(std::size_t rounded) noexcept {
    auto const floor = std::bit_floor(rounded);
    auto const doubling = static_cast<std::size_t>(std::countr_zero(floor));
    return doubling * steps_per_doubling + (rounded - floor) * steps_per_doubling / floor;
  }

  template <class Value>
  Value locked(Value const& value) const noexcept {
    std::scoped_lock const lock(mutex_);
    return value;
  }

  mutable std::mutex mutex_;
  std::array<std::vector<memory_block*>, 64 * steps_per_doubling> free_;
  std::uint64_t system_allocations_ = 0;
  std::size_t held_ = 0;  // of the system: what is in use and what waits for reuse
  std::size_t limit_ = no_limit;
  std::size_t in_use_ = 0;
  std::size_t peak_ = 0;
  std::size_t refused_at_ = 0;
  std::uint64_t reservation_ = 0;  // under way; 0: none
  std::uint64_t reservations_ = 0;
  std::thread::id reserving_{};
  reservation reserved_;
  struct {
    reservation const* of = nullptr;  // under way; null: none
    std::size_t next = 0;             // of what was taken
    bool differs = false;             // a request was refused
    std::thread::id thread{};
  } repetition_;
};

}  // namespace sysdpo
