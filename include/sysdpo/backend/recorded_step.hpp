// A step that is recorded once and done again, on backends that have a `step_recorder`: one launch for
// hundreds of kernels.
//
//   step();                             // once in the ordinary way: memory, plans and handles are made here
//   recorded_step<Backend> again(step); // issues nothing
//   again.replay();                     // does what was recorded
//   if (again.update(step))             // the same work on other data: still issues nothing
//     again.replay();
//
// A replay does what was issued while the step was recorded: the same kernels with the same arguments, and
// uploads of what the host had then. `update` walks the step again, on whatever data it finds now, and takes
// over what differs: what is uploaded, and the arguments of kernels. Where the step turns out to do other
// work (a kernel more or less, a product of other sizes, memory of another size), it says so, and the
// recording is of no use any more.
//
// The step must be of a kind that can be walked more than once for each time that it is done: it leaves
// behind nothing but its results, and those hold garbage until the replay. It may neither wait for the device
// nor read from it: that is an error.
//
// The memory that the step took, and such as it gave back, belongs to the recording as long as that lives:
// the pool gives it to nobody. Results hold what the last replay computed; somebody who still holds them
// keeps `update` from agreeing. Tensors from outside that the step uses must live until they are replaced by
// an update.
//
// A recording belongs to the thread and the device that it was made on, and no other thread takes memory
// there while it is made. What its kernels report (backend/device/reports.hpp) shows up at the next wait
// after each replay.
#pragma once

#include <thread>
#include <utility>

#include "sysdpo/backend/memory_pool.hpp"

namespace sysdpo {

/// Whether the backend can record steps.
template <class Backend>
concept records_steps = requires { typename Backend::step_recorder; };

/// The work of a step, to be done again. `Backend::step_recorder` holds the work itself: it takes what is
/// issued between `begin_recording()` and `end_recording()`, or `abandon()`, and compares it between
/// `begin_update()` and `end_update()`, which says whether all of the work came; `replay()` issues it.
/// `memory()` and `reports()` are those that the step uses.
template <class Backend>
class recorded_step {
 public:
  /// Records what `step()` issues. \throws error if the step does what cannot be recorded, and whatever the
  /// step throws.
  template <class Step>
  explicit recorded_step(Step&& step) {  // NOLINT(bugprone-forwarding-reference-overload): it is not movable
    capture under_way(*this);
    std::forward<Step>(step)();
    under_way.finish();
  }
  recorded_step(recorded_step const&) = delete;
  recorded_step& operator=(recorded_step const&) = delete;
  /// Replays under way end in peace: whoever gets the memory next is behind them.
  ~recorded_step() { recorder_.memory().release(reserved_); }

  /// Walks the step again for the next replays. False if it is not the same work: then there is nothing left
  /// to replay. \throws what the step throws, with the same effect.
  template <class Step>
  [[nodiscard]] bool update(Step&& step) {
    if (!is_usable_ || thread_ != std::this_thread::get_id()) return false;
    walk under_way(*this);
    is_usable_ = false;
    try {
      std::forward<Step>(step)();
    } catch (other_work const&) {
      return false;
    }
    is_usable_ = under_way.finish();
    return is_usable_;
  }

  /// Does the step's work once more, and does not wait. \throws error after an update that failed, or if the
  /// device refuses.
  void replay() {
    if (thread_ != std::this_thread::get_id())
      fail({"recorded step", "replay", "another thread has recorded it",
            "Record a step on the thread that does it"});
    if (!is_usable_)
      fail({"recorded step", "replay", "the update before found other work than was recorded",
            "Do the step in the ordinary way, or record it anew"});
    recorder_.replay();
    recorder_.reports().open_again(reports_);
  }

 private:
  using recorder = typename Backend::step_recorder;

  /// The time of recording: whatever happens, the backend, the pool and the reports are as before at its end.
  class capture {
   public:
    explicit capture(recorded_step& made) : made_(made) {
      made.recorder_.begin_recording();
      try {
        made.recorder_.memory().begin_reservation();
      } catch (...) {
        made.recorder_.abandon();
        throw;
      }
      made.recorder_.reports().begin_recording();
    }
    capture(capture const&) = delete;
    capture& operator=(capture const&) = delete;
    ~capture() {
      if (finished_) return;
      made_.recorder_.abandon();
      leave();
      made_.reports_.clear();
      made_.recorder_.memory().release(made_.reserved_);
    }

    void finish() {
      made_.recorder_.end_recording();
      leave();
      finished_ = true;
    }

   private:
    /// Ends it for the pool and the reports, whose part in it the recording gets.
    void leave() {
      made_.reserved_ = made_.recorder_.memory().end_reservation();
      made_.reports_ = made_.recorder_.reports().end_recording();
    }

    recorded_step& made_;
    bool finished_ = false;
  };

  /// The time of an update.
  class walk {
   public:
    explicit walk(recorded_step& made) : made_(made) {
      made.recorder_.begin_update();
      try {
        made.recorder_.memory().begin_repetition(made.reserved_);
      } catch (...) {
        (void)made.recorder_.end_update();
        throw;
      }
      made.recorder_.reports().begin_repetition(made.reports_);
    }
    walk(walk const&) = delete;
    walk& operator=(walk const&) = delete;
    ~walk() {
      if (!finished_) finish();
    }

    /// Whether all of what was recorded came again.
    bool finish() noexcept {
      finished_ = true;
      bool const reported = made_.recorder_.reports().end_repetition();
      bool const taken = made_.recorder_.memory().end_repetition();
      return made_.recorder_.end_update() && taken && reported;
    }

   private:
    recorded_step& made_;
    bool finished_ = false;
  };

  recorder recorder_;
  typename recorder::reservation reserved_;
  typename recorder::report_entries reports_;
  std::thread::id thread_ = std::this_thread::get_id();
  bool is_usable_ = true;
};

}  // namespace sysdpo
