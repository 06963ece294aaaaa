// Memory for the time of one call on the CPU, 64-byte aligned.
#pragma once

#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/backend/scratch.hpp"

namespace sysdpo::cpu_detail {

template <class T>
using scratch = scratch_of<cpu, T>;

}  // namespace sysdpo::cpu_detail
