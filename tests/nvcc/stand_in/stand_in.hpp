// What tests ask of the stand-ins for CUDA's libraries.
#pragma once

#include <functional>

struct CUstream_st;

namespace stand_in {

/// How often the host waited: for a stream, and for an event that was not there yet.
extern int waits_for_streams;
extern int waits_for_events;
/// How often cuBLASLt was asked for an algorithm.
extern int heuristics;

/// Work for a stream: to be done when somebody waits, or recorded.
void issue(CUstream_st* stream, std::function<void()> done);

}  // namespace stand_in
