// Independent pieces of work, one core each: trainings of this size gain more from running side by side than
// from sharing cores.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <sysdpo.hpp>
#include <thread>
#include <vector>

namespace progression {

/// Runs every job, `workers` at a time, under one progress bar. The first failure stops the jobs not yet
/// begun and is thrown when all others have ended.
inline void run_jobs(std::string const& title, std::vector<std::function<void()>> const& jobs, int workers) {
  if (jobs.empty()) return;
  sysdpo::progress bar(title, static_cast<sysdpo::index_t>(jobs.size()));
  bar.advance(0);
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  auto const work = [&] {
    sysdpo::set_cpu_threads(1);
    for (auto i = next++; i < jobs.size(); i = next++) {
      try {
        jobs[i]();
      } catch (...) {
        std::scoped_lock const lock(mutex);
        if (!failure) failure = std::current_exception();
        next = jobs.size();
      }
      bar.tick();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < workers; ++i) threads.emplace_back(work);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace progression
