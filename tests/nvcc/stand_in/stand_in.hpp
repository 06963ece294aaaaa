// What tests ask of the stand-ins for CUDA's libraries.
#pragma once

#include <cstddef>
#include <functional>

struct CUstream_st;

namespace stand_in {

/// How often the host waited: for a stream, and for an event that was not there yet.
extern int waits_for_streams;
extern int waits_for_events;
/// How often cuBLASLt was asked for an algorithm.
extern int heuristics;

/// What all kernels do, with how many blocks and which arguments, and how large these are.
extern void (*kernel)(unsigned blocks, void const* arguments);
extern std::size_t argument_bytes;

/// Work for a stream: to be done when somebody waits, or recorded.
void issue(CUstream_st* stream, std::function<void()> done);

}  // namespace stand_in
