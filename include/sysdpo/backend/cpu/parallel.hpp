// Fork-join over the cores. The range is cut by the thread count alone, never by who happens to be free, so
// that results are the same bits in every run with the same thread count.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "sysdpo/core/array_view.hpp"

namespace sysdpo {

namespace detail {

/// Workers that wait for one job at a time. They spin briefly between jobs, then sleep. Parts go to whoever
/// comes first, the caller included, so that a worker whom a busy machine does not let run holds nobody up.
class worker_pool {
 public:
  using job = void (*)(void* context, int part);

  static worker_pool& instance() {
    static worker_pool pool;
    return pool;
  }

  worker_pool(worker_pool const&) = delete;
  worker_pool& operator=(worker_pool const&) = delete;

  ~worker_pool() {
    stopping_.store(true);
    epoch_.fetch_add(1);
    epoch_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  /// Runs job(context, i) for i in [0, count), some of them on the calling thread. False if another thread is
  /// using the pool: the caller then does all the parts itself.
  bool run(job work, void* context, int count) {
    std::unique_lock const lock(mutex_, std::try_to_lock);
    if (!lock) return false;
    while (static_cast<int>(workers_.size()) < count - 1)
      workers_.emplace_back([this, seen = epoch_.load()] { serve(seen); });
    job_ = work;
    context_ = context;
    pending_.store(count, std::memory_order_relaxed);
    auto const epoch = epoch_.load(std::memory_order_relaxed) + 1;
    ticket_.store(ticket{epoch, static_cast<std::uint16_t>(count), 0}.packed(), std::memory_order_release);
    epoch_.store(epoch, std::memory_order_release);
    epoch_.notify_all();
    take_parts(epoch);
    for (int spin = 0; pending_.load(std::memory_order_acquire) != 0; ++spin) {
      if (spin < spins) continue;
      if (auto const left = pending_.load(std::memory_order_acquire); left != 0) pending_.wait(left);
    }
    return true;
  }

 private:
  static constexpr int spins = 4000;

  /// Of which job, how many parts it has, and the next that nobody has taken: one word, so that a late worker
  /// cannot take a part of another job than it looked at.
  struct ticket {
    std::uint32_t epoch;
    std::uint16_t count, next;

    static ticket of(std::uint64_t packed) { return std::bit_cast<ticket>(packed); }
    [[nodiscard]] std::uint64_t packed() const { return std::bit_cast<std::uint64_t>(*this); }
  };

  worker_pool() = default;

  /// Does parts of job `epoch` until all are taken.
  void take_parts(std::uint32_t epoch) {
    auto seen = ticket_.load(std::memory_order_acquire);
    while (true) {
      auto const now = ticket::of(seen);
      if (now.epoch != epoch || now.next == now.count) return;
      auto const taken = ticket{epoch, now.count, static_cast<std::uint16_t>(now.next + 1)};
      if (!ticket_.compare_exchange_weak(seen, taken.packed(), std::memory_order_acq_rel)) continue;
      job_(context_, now.next);
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
      seen = taken.packed();
    }
  }

  void serve(std::uint32_t seen) {
    while (true) {
      for (int spin = 0; spin < spins && epoch_.load(std::memory_order_acquire) == seen; ++spin) {
      }
      while (epoch_.load(std::memory_order_acquire) == seen) epoch_.wait(seen);
      seen = epoch_.load(std::memory_order_acquire);
      if (stopping_.load()) return;
      take_parts(seen);
    }
  }

  std::mutex mutex_;
  std::vector<std::thread> workers_;
  std::atomic<std::uint32_t> epoch_{0};
  std::atomic<std::uint64_t> ticket_{0};
  std::atomic<int> pending_{0};
  std::atomic<bool> stopping_{false};
  job job_ = nullptr;
  void* context_ = nullptr;
};

inline int default_thread_count() {
  static int const count = [] {
    if (auto const* text = std::getenv("SYSDPO_THREADS"); text != nullptr && std::atoi(text) > 0)
      return std::atoi(text);
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }();
  return count;
}

inline int& thread_count() {
  thread_local int count = default_thread_count();
  return count;
}

}  // namespace detail

/// The number of threads that the CPU backend uses for work started by the calling thread. Starts as
/// SYSDPO_THREADS or the number of cores. A program that runs several trainings at once gives each thread 1.
[[nodiscard]] inline int cpu_threads() { return detail::thread_count(); }
/// Sets that number for work started by the calling thread. \throws error below 1.
inline void set_cpu_threads(int count) {
  if (count < 1)
    fail({"set_cpu_threads", "", "the count is " + std::to_string(count), "Give at least one thread"});
  detail::thread_count() = count;
}

/// Calls body(begin, end) over a partition of [0, size) into at most cpu_threads() parts of at least `grain`
/// elements. Exceptions from any part reach the caller (the first one).
template <class Body>
void parallel_for(index_t size, index_t grain, Body&& body) {
  auto const parts =
      static_cast<int>(std::clamp<index_t>(size / std::max<index_t>(grain, 1), 1, detail::thread_count()));
  if (parts == 1) {
    if (size > 0) body(index_t{0}, size);
    return;
  }
  struct context_type {
    std::remove_reference_t<Body>* body;
    index_t size;
    int parts;
    std::atomic_flag failed = ATOMIC_FLAG_INIT;
    std::exception_ptr failure;
  } context{&body, size, parts, {}, {}};
  auto const part = [](void* opaque, int i) {
    auto& self = *static_cast<context_type*>(opaque);
    auto& threads = detail::thread_count();
    auto const outside = std::exchange(threads, 1);  // no nested fork
    try {
      (*self.body)(self.size* i / self.parts, self.size * (i + 1) / self.parts);
    } catch (...) {
      if (!self.failed.test_and_set()) self.failure = std::current_exception();
    }
    threads = outside;
  };
  if (!detail::worker_pool::instance().run(part, &context, parts))
    for (int i = 0; i < parts; ++i) part(&context, i);
  if (context.failure) std::rethrow_exception(context.failure);
}

}  // namespace sysdpo
