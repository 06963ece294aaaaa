// The emulated backend, whole: include this, beside or instead of backend/cpu.hpp, where models are to run on
// emulated kernels.
#pragma once

#include "sysdpo/backend/device.hpp"
#include "sysdpo/backend/device/planned.hpp"
#include "sysdpo/backend/emulated/backend.hpp"
#include "sysdpo/backend/emulated/conv2d.hpp"
#include "sysdpo/backend/emulated/emulator.hpp"
#include "sysdpo/backend/emulated/product.hpp"
#include "sysdpo/backend/emulated/sort.hpp"
#include "sysdpo/backend/recorded_step.hpp"
