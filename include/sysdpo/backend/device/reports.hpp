// What kernels found wrong with their input. A kernel cannot throw, and the host does not wait for it: it
// writes what it found into a slot, and the host looks when it next waits for the device anyway. An error
// shows up late, but it names what was wrong, and no result leaves the device before.
//
//   auto* const slot = Backend::reports().take([](std::int64_t position, std::int64_t id) { fail({…}); });
//   Backend::launch<kernel>({…, slot});
//
// A slot is two numbers, {position, id}, which start as −1. A kernel that finds fault writes the id, then a
// position of at least 0; where several threads do, one of them stays. A list belongs to one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "sysdpo/backend/memory_pool.hpp"

namespace sysdpo {

/// The reports that one thread waits for, in order of issue. `Memory` provides `static std::int64_t*
/// allocate(std::size_t numbers)`, memory that host and device share, aligned to 16 bytes, `static void
/// release(std::int64_t*) noexcept`, and `static void wait()`, until the device has done what this thread
/// issued.
template <class Memory>
class report_list {
 public:
  /// Throws what `position` and `id` mean.
  using description = std::function<void(std::int64_t position, std::int64_t id)>;

  /// One kernel's report: its slot, as long as anybody refers to it, and what it means.
  struct entry {
    std::shared_ptr<std::int64_t> slot;
    std::shared_ptr<description const> describe;
  };

  /// Reports that may be open at the same time; with more the host waits.
  static constexpr std::size_t capacity = 1024;

  /// A slot for the next kernel. When all are taken it waits for the device, and throws what it finds then.
  [[nodiscard]] std::int64_t* take(description describe) {
    if (repeated_ != nullptr) {
      if (next_ == repeated_->size()) {
        differs_ = true;  // whoever catches what this throws
        throw other_work{};
      }
      auto& again = (*repeated_)[next_++];
      again.describe = std::make_shared<description const>(std::move(describe));
      return again.slot.get();
    }
    if (slots_ == nullptr) slots_ = std::make_shared<slots>();
    if (slots_->free.empty() && !is_recording()) {
      Memory::wait();
      evaluate();
    }
    if (slots_->free.empty()) slots_->grow();  // all belong to work that is done again and again
    auto* const numbers = slots_->free.back();
    slots_->free.pop_back();
    numbers[0] = numbers[1] = nothing;
    std::shared_ptr<std::int64_t> slot(numbers,
                                       [from = slots_](std::int64_t* done) { from->free.push_back(done); });
    open_.push_back({std::move(slot), std::make_shared<description const>(std::move(describe))});
    return numbers;
  }

  /// Call it when the device has done what this thread issued. Throws for the first kernel that found fault;
  /// what later ones found may follow from that, and is dropped. While work is recorded, or walked again,
  /// there is nothing to see yet.
  void evaluate() {
    if (is_recording() || repeated_ != nullptr) return;
    std::shared_ptr<description const> first;
    auto position = nothing;
    auto id = nothing;
    for (auto const& each : std::exchange(open_, {})) {
      auto volatile* const slot = each.slot.get();
      if (first == nullptr && slot[0] != nothing) {
        first = each.describe;
        position = slot[0];
        id = slot[1];
      }
      slot[0] = nothing;
      slot[1] = nothing;
    }
    if (first != nullptr) (*first)(position, id);
  }

  /// How many are open.
  [[nodiscard]] std::size_t size() const noexcept { return open_.size(); }

  /// From here to `end_recording()` reports belong to work that is recorded now and done later.
  void begin_recording() noexcept { recorded_from_ = open_.size(); }
  /// Them.
  [[nodiscard]] std::vector<entry> end_recording() {
    auto const first =
        open_.begin() + static_cast<std::ptrdiff_t>(std::exchange(recorded_from_, not_recording));
    std::vector<entry> taken(std::make_move_iterator(first), std::make_move_iterator(open_.end()));
    open_.erase(first, open_.end());
    return taken;
  }

  /// From here to `end_repetition()` the same work is walked again: its kernels get the slots of `reports`,
  /// one after the other, and say what these mean now. One more than there were throws `other_work`.
  void begin_repetition(std::vector<entry>& reports) noexcept {
    repeated_ = &reports;
    next_ = 0;
    differs_ = false;
  }
  /// Whether all of them were asked for, and no more.
  bool end_repetition() noexcept { return next_ == std::exchange(repeated_, nullptr)->size() && !differs_; }

  /// Opens `reports` once more, for work that was recorded and is done now. One that is open still means what
  /// it means now.
  void open_again(std::vector<entry> const& reports) {
    std::erase_if(open_, [&](entry const& open) {
      return std::any_of(reports.begin(), reports.end(),
                         [&](entry const& again) { return again.slot == open.slot; });
    });
    open_.insert(open_.end(), reports.begin(), reports.end());
  }

 private:
  static constexpr std::int64_t nothing = -1;
  static constexpr auto not_recording = std::numeric_limits<std::size_t>::max();

  [[nodiscard]] bool is_recording() const noexcept { return recorded_from_ != not_recording; }

  struct slots {
    std::vector<std::int64_t*> pieces;
    std::vector<std::int64_t*> free;
    slots() { grow(); }
    slots(slots const&) = delete;
    slots& operator=(slots const&) = delete;
    ~slots() {
      for (auto* piece : pieces) Memory::release(piece);
    }
    void grow() {
      pieces.reserve(pieces.size() + 1);
      free.reserve(capacity * (pieces.size() + 1));  // so that giving one back never throws
      pieces.push_back(Memory::allocate(2 * capacity));
      for (std::size_t i = 0; i < capacity; ++i) free.push_back(pieces.back() + 2 * i);
    }
  };

  std::shared_ptr<slots> slots_;
  std::vector<entry> open_;
  std::size_t recorded_from_ = not_recording;
  std::vector<entry>* repeated_ = nullptr;
  std::size_t next_ = 0;  // of them
  bool differs_ = false;
};

}  // namespace sysdpo
