// Work of the emulated backend that is written down instead of done: which function, with which arguments.
#pragma once

#include <cstddef>
#include <cstring>
#include <deque>
#include <vector>

#include "sysdpo/backend/device/work_list.hpp"

namespace sysdpo::emulated_detail {

/// The work of a step.
class recorded_work {
 public:
  /// Takes note of `Work(arguments)`, or, while the work is walked again, of what it is called with now.
  template <auto Work, class Arguments>
  void issue(Arguments const& arguments) {
    function const done = [](void const* noted) { Work(*static_cast<Arguments const*>(noted)); };
    if (work_.is_walked())
      (void)work_.follow(done, arguments);
    else
      work_.note(done, arguments);
  }

  /// The same of an upload: the host's memory may be used again when it returns.
  void upload(void* to, void const* from, std::size_t bytes) {
    auto const* const first = static_cast<std::byte const*>(from);
    if (!work_.is_walked()) staged_.emplace_back(bytes);
    if (work_.is_walked() && (next_staged_ == staged_.size() || staged_[next_staged_].size() != bytes))
      work_.refuse();
    auto& staged = work_.is_walked() ? staged_[next_staged_++] : staged_.back();
    staged.assign(first, first + bytes);
    issue<copy>(transfer{to, staged.data(), bytes});
  }

  /// The work is walked again from here to `end_walk()`, which says whether all of it came.
  void begin_walk() noexcept {
    next_staged_ = 0;
    work_.begin_walk();
  }
  bool end_walk() noexcept { return work_.end_walk(); }

  /// Does the work.
  void run() {
    for (std::size_t i = 0; i < work_.size(); ++i) work_.kind_of(i)(work_.arguments_of(i));
  }

  /// Bytes to be moved.
  struct transfer {
    void* to;
    void const* from;
    std::size_t bytes;
  };
  static void copy(transfer const& given) { std::memcpy(given.to, given.from, given.bytes); }

 private:
  using function = void (*)(void const*);

  device_detail::work_list<function> work_;
  std::deque<std::vector<std::byte>> staged_;  // what is uploaded
  std::size_t next_staged_ = 0;
};

}  // namespace sysdpo::emulated_detail
