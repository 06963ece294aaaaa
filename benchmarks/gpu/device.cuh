// Arrays on the device, filled at random, and comparisons with what the host computes.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "benchmark.hpp"
#include "sysdpo/backend/cuda/launch.cuh"
#include "sysdpo/core/philox.hpp"
#include "sysdpo/kernel/number.hpp"

namespace benchmarks::gpu {

using sysdpo::bf16;
using sysdpo::check_cuda;
using sysdpo::index_t;
namespace kernel = sysdpo::kernel;

template <class T>
inline constexpr char const* type_name = std::is_same_v<T, bf16> ? "bf16" : "float";

/// Bytes of `size` elements, as work is counted.
template <class T>
double bytes_of(index_t size) {
  return static_cast<double>(size) * sizeof(T);
}

/// An attribute of the current device.
inline int device_attribute(cudaDeviceAttr which) {
  int device = 0;
  int value = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
  return value;
}

/// How many sets of arrays of `bytes` make four times what the L2 cache holds.
inline int sets_for(double bytes) {
  double const wanted = 4.0 * device_attribute(cudaDevAttrL2CacheSize);
  return std::clamp(static_cast<int>(std::ceil(wanted / bytes)), 1, 256);
}

/// Blocks that share each of `rows` of `size`: enough for the device, each with `least` elements or more.
inline int parts_for(index_t rows, index_t size, index_t least) {
  auto const wanted =
      kernel::ceil_divide(index_t{16} * device_attribute(cudaDevAttrMultiProcessorCount), rows);
  return static_cast<int>(std::clamp<index_t>(wanted, 1, std::max<index_t>(1, size / least)));
}

/// An array for each set, full of NaN. Copies are the same array.
template <class T>
class device_array {
 public:
  explicit device_array(index_t size, int sets = 1)
      : size_(size), stride_(kernel::ceil_divide(size * index_t{sizeof(T)}, 256) * 256) {
    void* memory = nullptr;
    auto const bytes = static_cast<std::size_t>(stride_) * static_cast<std::size_t>(sets);
    check_cuda(cudaMalloc(&memory, bytes), "cudaMalloc");
    memory_ = std::shared_ptr<void>(memory, [](void* given) { (void)cudaFree(given); });
    check_cuda(cudaMemset(memory, 0xff, bytes), "cudaMemset");
  }
  explicit device_array(std::vector<T> const& from) : device_array(std::ssize(from)) {
    check_cuda(cudaMemcpy(of(0), from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy");
  }

  [[nodiscard]] index_t size() const { return size_; }
  [[nodiscard]] T* of(int set) const {
    return reinterpret_cast<T*>(static_cast<char*>(memory_.get()) + stride_ * set);
  }
  /// `count` elements of the first set from `begin` on, when the device is done.
  [[nodiscard]] std::vector<T> elements(index_t begin, index_t count) const {
    std::vector<T> to(static_cast<std::size_t>(count));
    check_cuda(cudaMemcpy(to.data(), of(0) + begin, to.size() * sizeof(T), cudaMemcpyDeviceToHost),
               "cudaMemcpy");
    return to;
  }
  [[nodiscard]] std::vector<double> numbers(index_t begin, index_t count) const {
    std::vector<double> to;
    to.reserve(static_cast<std::size_t>(count));
    for (auto const& x : elements(begin, count)) to.push_back(static_cast<double>(static_cast<float>(x)));
    return to;
  }

 private:
  std::shared_ptr<void> memory_;
  index_t size_, stride_;
};

/// What an array is filled with: normal numbers times `scale`, their magnitudes, or whole numbers in [0,
/// bound).
struct random_fill {
  float scale = 1;
  bool positive = false;
  std::int32_t bound = 0;
};

/// x [size], four elements a thread.
template <class T>
struct fill_randomly {
  static constexpr int threads = 256;
  struct arguments {
    T* x;
    index_t size;
    random_fill how;
    std::uint32_t seed;
  };
  using shared = kernel::nothing_shared;

  static index_t blocks(arguments const& given) { return kernel::blocks_for<threads, 4>(given.size); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    auto const group = block.index() * threads + block.thread();
    auto const words = sysdpo::philox(
        {{static_cast<std::uint32_t>(group), static_cast<std::uint32_t>(group >> 32)}}, {{given.seed, 1}});
    for (int j = 0; j < 4; ++j) {
      auto const i = group * 4 + j;
      if (i >= given.size) return;
      if constexpr (std::is_same_v<T, std::int32_t>) {
        given.x[i] = static_cast<T>(
            (std::uint64_t{words.word[j]} * static_cast<std::uint64_t>(given.how.bound)) >> 32);
      } else {
        float const x = given.how.scale * sysdpo::normal_from(words.word[j]);
        given.x[i] = kernel::from_float<T>(given.how.positive && x < 0 ? -x : x);
      }
    }
  }
};

/// `sets` random arrays.
template <class T>
device_array<T> random_array(index_t size, int sets, random_fill how = {}) {
  static std::uint32_t seed = 0;
  device_array<T> made(size, sets);
  for (int set = 0; set < sets; ++set)
    sysdpo::launch<fill_randomly<T>>({made.of(set), size, how, ++seed}, nullptr);
  return made;
}

/// Fails unless |found − expected| is at most `tolerance` · |expected|, in the Euclidean norm. NaN never
/// passes.
inline void expect_close(char const* what, std::vector<double> const& found,
                         std::vector<double> const& expected, double tolerance) {
  double apart = 0;
  double norm = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    apart += (found.at(i) - expected[i]) * (found.at(i) - expected[i]);
    norm += expected[i] * expected[i];
  }
  if (!(std::sqrt(apart) <= tolerance * std::sqrt(norm)) || norm == 0)
    throw std::runtime_error(std::string(what) + " is wrong: " + std::to_string(std::sqrt(apart / norm)) +
                             " away from what the host computes");
}

/// Some rows of `count`: the first, one within, the last.
inline std::vector<index_t> some_rows(index_t count) { return {0, count / 2 + count / 7, count - 1}; }

}  // namespace benchmarks::gpu
