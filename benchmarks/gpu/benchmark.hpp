// What the benchmarks of a GPU are made of. Host code alone: main.cpp knows no CUDA, and a .cu file no
// command line. A .cu file of this folder registers what it times; gpu.sh links all of them into one program,
// so that a new file needs no entry anywhere.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace benchmarks::gpu {

/// What limits a case: arithmetic (work is counted in floating-point operations) or memory (in bytes).
enum class bound { compute, memory };

/// A case whose arrays are on the device.
struct prepared {
  int sets = 1;                  ///< of arrays, so many that no cache holds them all
  std::function<void(int)> run;  ///< issues the work on one set, and does not wait
  std::function<void()> check;   ///< runs the first set; throws where the result is not as it should be
  void* stream = nullptr;        ///< that the work is issued to
  std::function<double()> working_bytes{};  ///< most that a run took beside its operands and results
};

/// Something to be timed. Its name is op/pass/shape.
struct benchmark {
  std::string op;
  std::string pass;
  std::string shape;
  std::string type;  ///< of the large arrays' elements
  /// What peer.py makes the same case from.
  std::vector<std::pair<std::string, std::int64_t>> sizes;
  bound limit = bound::memory;
  double work = 0;
  std::function<prepared()> prepare;

  [[nodiscard]] std::string name() const { return op + "/" + pass + "/" + shape; }
};

/// All that is registered.
inline std::vector<benchmark>& all_benchmarks() {
  static std::vector<benchmark> all;
  return all;
}

/// A file's static object of this type adds what the file times.
struct registration {
  explicit registration(std::vector<benchmark> const& more) {
    auto& all = all_benchmarks();
    all.insert(all.end(), more.begin(), more.end());
  }
};

/// The device that is measured.
struct device_facts {
  std::string name;
  std::string compute_capability;
  int multiprocessors = 0;
  double l2_mib = 0;
  double memory_gib = 0;
  int cuda_version = 0;  ///< of the compiler; 13000 is 13.0
  int driver_version = 0;
};

/// What the device can do at best.
struct ceilings {
  double operations = 0;  ///< a second: a product of 8192 x 8192 matrices of bf16
  double bytes = 0;       ///< a second: a copy within the device, bytes read and bytes written
};

/// \throws std::exception if there is no device.
device_facts describe_device();
ceilings measure_ceilings();
/// The median of `samples`, each of one run or of as many as take a tenth of a millisecond, after a warm-up.
double median_seconds(prepared const& one, int samples);
/// Clears the error of a case that did not fit; false if the device takes no more work.
bool recover();

}  // namespace benchmarks::gpu
