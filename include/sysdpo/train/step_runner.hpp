// How a training does its steps: one after the other in the ordinary way, or by replaying a recording of one
// (backend/recorded_step.hpp) for as long as the work is the same.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "sysdpo/backend/recorded_step.hpp"

namespace sysdpo {

/// Does steps of a kind that can be walked more than once (recorded_step.hpp): here, on a backend that cannot
/// record them, just so.
template <class Backend>
class step_runner {
 public:
  explicit step_runner(bool /*records*/) {}
  /// Does the step. \throws what the step throws.
  template <class Step>
  void run(Step const& step) {
    step();
  }
  /// How many steps were replays of the recording of an earlier one.
  [[nodiscard]] static std::int64_t replayed() noexcept { return 0; }
  /// Gives the memory of the recording back; false if there is none.
  static bool forget() noexcept { return false; }
};

/// `records`: as soon as a step was done in the ordinary way, the next one is recorded and replayed, and so
/// on until one does other work, or what cannot be recorded. Recordings that were of no use make it wait
/// longer before the next.
template <records_steps Backend>
class step_runner<Backend> {
 public:
  explicit step_runner(bool records) : records_(records) {}

  template <class Step>
  void run(Step const& step) {
    if (recorded_ != nullptr ? update(step) : record(step)) {
      recorded_->replay();
    } else {
      step();
      ++ordinary_;
    }
  }

  [[nodiscard]] std::int64_t replayed() const noexcept { return replayed_; }
  bool forget() noexcept { return std::exchange(recorded_, nullptr) != nullptr; }

 private:
  /// Whether the recording has taken over the step's numbers; else it is gone, with the memory that it held.
  template <class Step>
  bool update(Step const& step) {
    auto recorded = std::move(recorded_);
    try {
      if (!recorded->update(step)) return false;
    } catch (error const&) {
      return false;  // likewise
    }
    ++replayed_;
    patience_ = 1;
    recorded_ = std::move(recorded);
    return true;
  }

  /// Whether there is a recording of the step now.
  template <class Step>
  bool record(Step const& step) {
    if (!records_ || ordinary_ < patience_) return false;
    try {
      recorded_ = std::make_unique<recorded_step<Backend>>(step);
    } catch (error const&) {
      // An ordinary step can get more memory, and wait. What is wrong with the step itself, it will say.
    }
    ordinary_ = 0;
    patience_ = std::min<std::int64_t>(2 * patience_, 64);  // until a replay shows that it was worth it
    return recorded_ != nullptr;
  }

  bool records_;
  std::unique_ptr<recorded_step<Backend>> recorded_;
  std::int64_t replayed_ = 0;
  std::int64_t ordinary_ = 0;  // steps since the last recording
  std::int64_t patience_ = 1;  // as many come before the next
};

}  // namespace sysdpo
