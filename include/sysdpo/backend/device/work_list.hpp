// What a step issued, in order: which kernel or call each piece of work is, and its arguments. Written down
// once, and compared with what is issued when the step is walked again.
#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "sysdpo/backend/memory_pool.hpp"
#include "sysdpo/core/error.hpp"

namespace sysdpo::device_detail {

/// \throws error: `what` cannot be part of a recorded step.
[[noreturn]] inline void refuse_in_recorded_step(char const* what, char const* remedy) {
  fail({"recorded step", what, "a step that is recorded cannot do that", remedy});
}

/// `Kind` tells kernels and calls apart.
template <class Kind>
class work_list {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return pieces_.size(); }
  [[nodiscard]] Kind kind_of(std::size_t number) const { return pieces_[number].kind; }
  /// Where the arguments of a piece lie, until the next one is noted.
  [[nodiscard]] void* arguments_of(std::size_t number) { return bytes_.data() + pieces_[number].begin; }

  /// Appends a piece of work.
  template <class Arguments>
  void note(Kind kind, Arguments const& arguments) {
    static_assert(std::is_trivially_copyable_v<Arguments> && alignof(Arguments) <= alignment);
    auto const begin = bytes_.size();
    bytes_.resize(begin + (sizeof arguments + alignment - 1) / alignment * alignment);
    std::memcpy(bytes_.data() + begin, &arguments, sizeof arguments);
    pieces_.push_back({kind, begin});
  }

  /// The list is walked from its begin again, up to `end_walk()`, which says whether all of it came and
  /// nothing else.
  void begin_walk() noexcept {
    is_walked_ = true;
    next_ = 0;
    differs_ = false;
  }
  bool end_walk() noexcept {
    is_walked_ = false;
    return !differs_ && next_ == size();
  }
  [[nodiscard]] bool is_walked() const noexcept { return is_walked_; }

  /// The walk is one of other work, whoever catches what this throws.
  [[noreturn]] void refuse() {
    differs_ = true;
    throw other_work{};
  }

  /// The next piece is this one: its number, and whether its arguments are others than noted (bytes between
  /// members may say so too). They are noted. \throws other_work if it is another kind of work, or one too
  /// many.
  template <class Arguments>
  std::pair<std::size_t, bool> follow(Kind kind, Arguments const& arguments) {
    if (next_ == size() || pieces_[next_].kind != kind) refuse();
    auto* const noted = arguments_of(next_);
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): a difference that is none does no harm
    bool const changed = std::memcmp(noted, &arguments, sizeof arguments) != 0;
    if (changed) std::memcpy(noted, &arguments, sizeof arguments);
    return {next_++, changed};
  }

 private:
  static constexpr std::size_t alignment = alignof(std::max_align_t);
  struct piece {
    Kind kind;
    std::size_t begin;  // of its arguments
  };

  std::vector<piece> pieces_;
  std::vector<std::byte> bytes_;
  std::size_t next_ = 0;
  bool is_walked_ = false;
  bool differs_ = false;
};

}  // namespace sysdpo::device_detail
