// A progress bar with the time left; plain lines, seconds apart, when the output is no terminal.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <string>
#include <utility>

#include "sysdpo/core/array_view.hpp"

namespace sysdpo {

/// Writes to the standard error. Safe to advance from several threads.
class progress {
 public:
  /// `start` of `total` units were done before (a resumed run). Without a title nothing is shown.
  progress(std::string title, index_t total, index_t start = 0)
      : title_(std::move(title)), total_(std::max<index_t>(total, 1)), start_(start), done_(start) {}
  progress(progress const&) = delete;
  progress& operator=(progress const&) = delete;
  /// Ends the line.
  ~progress() {
    if (terminal_ && shown_) std::fputc('\n', stderr);
  }

  /// `done` units are finished now; `note` stands behind the numbers.
  void advance(index_t done, std::string const& note = {}) {
    std::scoped_lock const lock(mutex_);
    done_ = done;
    note_ = note;
    show();
  }
  /// One more unit is finished.
  void tick() {
    std::scoped_lock const lock(mutex_);
    ++done_;
    show();
  }

 private:
  using clock = std::chrono::steady_clock;

  void show() {
    if (title_.empty()) return;
    auto const now = clock::now();
    auto const finished = done_ >= total_;
    auto const pause = std::chrono::duration<double>(now - last_).count();
    if (!finished && shown_ && pause < (terminal_ ? 0.1 : 10)) return;
    if (finished && announced_end_) return;
    announced_end_ = finished;
    last_ = now;
    shown_ = true;
    auto const seconds = std::chrono::duration<double>(now - begin_).count();
    auto const left =
        done_ > start_ ? seconds * static_cast<double>(total_ - done_) / static_cast<double>(done_ - start_)
                       : 0;
    auto const time = finished         ? fmt::format("{} in all", duration(seconds))
                      : done_ > start_ ? fmt::format("{} left", duration(left))
                                       : std::string("begun");
    if (terminal_) {
      constexpr index_t width = 28;
      auto const filled = static_cast<std::size_t>(std::min(width, width * done_ / total_));
      fmt::print(stderr, "\r\033[K{:<26} {}{} {:>3}%  {}  {}", title_, std::string(filled, '#'),
                 std::string(static_cast<std::size_t>(width) - filled, '.'), 100 * done_ / total_, time,
                 note_);
    } else {
      fmt::print(stderr, "{}: {} of {}, {} {}\n", title_, done_, total_, time, note_);
    }
    std::fflush(stderr);
  }

  static std::string duration(double seconds) {
    auto const whole = std::lround(seconds);
    return whole < 60 ? fmt::format("{} s", whole) : fmt::format("{} min {:02} s", whole / 60, whole % 60);
  }

  std::string title_;
  std::string note_;
  index_t total_;
  index_t start_;
  index_t done_;
  clock::time_point begin_ = clock::now();
  clock::time_point last_ = begin_;
  bool terminal_ = isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
  bool announced_end_ = false;
  std::mutex mutex_;
};

}  // namespace sysdpo
