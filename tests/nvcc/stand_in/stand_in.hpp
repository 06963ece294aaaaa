// What tests ask of the stand-ins for CUDA's libraries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

struct CUstream_st;

namespace stand_in {

/// How often the host waited: for a stream, and for an event that was not there yet.
extern int waits_for_streams;
extern int waits_for_events;
/// How often cuBLASLt was asked for an algorithm; and whether it has one, and does products.
extern int heuristics;
extern bool has_algorithm;
extern bool multiplies;

/// An engine of cuDNN's: what it says of its numbers (cudnnBackendNumericalNote_t), the memory that it wants,
/// what comes of a plan with it (cudnnStatus_t), and whether the fallback alone knows it.
struct engine {
  std::vector<int> notes{};
  std::int64_t workspace = 0;
  int status = 0;
  bool is_fallback = false;
};
/// Those that cuDNN has now; how many plans were made, convolutions done, and how many descriptors there are.
extern std::vector<engine> engines;
extern int execution_plans;
extern int convolutions;
extern int descriptors;

/// What all kernels do, with how many blocks and which arguments, and how large these are.
extern void (*kernel)(unsigned blocks, void const* arguments);
extern std::size_t argument_bytes;

/// Work for a stream: to be done when somebody waits, or recorded.
void issue(CUstream_st* stream, std::function<void()> done);

}  // namespace stand_in
