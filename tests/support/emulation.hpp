// What the tests of kernels share: the orders that threads run in, memory that ends where it should, and the
// check that each barrier is needed.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <numeric>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "sysdpo/core/philox.hpp"
#include "sysdpo/kernel/number.hpp"

#if defined(__CUDACC__)
#include "sysdpo/backend/cuda/launch.cuh"
#else
#include "sysdpo/backend/emulated/emulator.hpp"
#endif

namespace test {

using sysdpo::bf16;
using sysdpo::half;
using sysdpo::index_t;

#if defined(__CUDACC__)
enum class thread_order { in_order, reversed, seeded };
struct emulation {
  thread_order order = thread_order::in_order;
  std::uint64_t seed = 0;
};

/// Launches the kernel and waits.
template <class Kernel>
void run(typename Kernel::arguments const& arguments, emulation const& /*how*/ = {}) {
  sysdpo::launch<Kernel>(arguments, nullptr);
  sysdpo::check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

/// Memory that host and device see.
inline void* take_memory(std::size_t bytes) {
  void* result = nullptr;
  sysdpo::check_cuda(cudaMallocManaged(&result, bytes + 1), "cudaMallocManaged");
  return result;
}
inline void give_memory(void* memory) { (void)cudaFree(memory); }
#else
using sysdpo::emulation;
using sysdpo::thread_order;

/// Emulates the kernel.
template <class Kernel>
void run(typename Kernel::arguments const& arguments, emulation const& how = {}) {
  sysdpo::emulate<Kernel>(arguments, how);
}

inline constexpr std::align_val_t memory_alignment{128};
inline void* take_memory(std::size_t bytes) { return ::operator new(bytes, memory_alignment); }
inline void give_memory(void* memory) { ::operator delete(memory, memory_alignment); }
#endif

/// In order, reversed, and three orders drawn from seeds.
inline std::vector<emulation> const all_orders{{.order = thread_order::in_order},
                                               {.order = thread_order::reversed},
                                               {.order = thread_order::seeded, .seed = 1},
                                               {.order = thread_order::seeded, .seed = 2},
                                               {.order = thread_order::seeded, .seed = 3}};

/// A device's array: aligned to 128 bytes but for `shift` elements, full of NaN, nothing beyond its end.
template <class T>
class memory {
 public:
  explicit memory(index_t size, index_t shift = 0)
      : base_(take_memory(static_cast<std::size_t>(size + shift) * sizeof(T))),
        size_(static_cast<std::size_t>(size)),
        shift_(static_cast<std::size_t>(shift)) {
    std::memset(base_, 0xff, (size_ + shift_) * sizeof(T));
  }
  memory(std::vector<T> const& from, index_t shift = 0) : memory(std::ssize(from), shift) {
    std::copy(from.begin(), from.end(), data());
  }
  memory(memory const& other)
      : memory(static_cast<index_t>(other.size_), static_cast<index_t>(other.shift_)) {
    std::memcpy(base_, other.base_, (size_ + shift_) * sizeof(T));
  }
  memory& operator=(memory const&) = delete;
  ~memory() { give_memory(base_); }

  [[nodiscard]] T* data() const { return static_cast<T*>(base_) + shift_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] T& operator[](std::size_t i) const { return data()[i]; }
  /// Element i as a double.
  [[nodiscard]] double at(std::size_t i) const {
    if constexpr (std::is_integral_v<T>)
      return static_cast<double>(data()[i]);
    else
      return static_cast<double>(static_cast<float>(data()[i]));
  }
  [[nodiscard]] bool operator==(memory const& other) const {
    return size_ == other.size_ && std::memcmp(data(), other.data(), size_ * sizeof(T)) == 0;
  }

 private:
  void* base_;
  std::size_t size_, shift_;
};

/// Normal numbers, rounded to T.
template <class T>
memory<T> random_memory(index_t size, std::uint64_t seed, float scale = 1, index_t shift = 0) {
  memory<T> result(size, shift);
  sysdpo::generator random(seed);
  for (std::size_t i = 0; i < result.size(); ++i)
    result[i] = sysdpo::kernel::from_float<T>(scale * random.normal());
  return result;
}

/// Half a unit in the last place of numbers near 1.
template <class T>
inline constexpr double rounding = std::is_same_v<T, float>  ? 0x1p-24
                                   : std::is_same_v<T, half> ? 0x1p-11
                                                             : 0x1p-8;

/// Whether x is `expected` to `tolerance`, of 1 and of its size; infinities must be the same.
inline bool close(double x, double expected, double tolerance) {
  if (std::isnan(expected)) return std::isnan(x);
  if (std::isinf(expected)) return x == expected;
  return std::abs(x - expected) <= tolerance * (1 + std::abs(expected));
}

/// Runs `passes`, a kernel and the comparison of its results, in every order, where it must pass; then with
/// each barrier skipped, one at a time, where at least one order must fail. Texts of `may_survive` that are
/// part of a barrier's file and line excuse it.
template <class Passes>
void check_barriers(Passes&& passes, std::vector<std::string> const& may_survive = {}) {
#if defined(__CUDACC__)
  (void)may_survive;
  for (int i = 0; i < 5; ++i) REQUIRE(passes(emulation{}));
#else
  std::set<sysdpo::barrier_site> sites;
  for (auto how : all_orders) {
    how.seen = &sites;
    REQUIRE(passes(how));
  }
  for (auto const& site : sites) {
    bool fails = false;
    for (auto how : all_orders) {
      how.skip = site;
      try {
        fails = fails || !passes(how);
      } catch (sysdpo::error const&) {
        fails = true;
      }
      if (fails) break;
    }
    auto const place = site.file + ":" + std::to_string(site.line);
    INFO("without the barrier at " << place);
    bool excused = false;
    for (auto const& text : may_survive) excused = excused || place.find(text) != std::string::npos;
    REQUIRE((fails || excused));
  }
#endif
}

}  // namespace test
