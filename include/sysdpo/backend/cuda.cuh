// The CUDA backend, whole: include this from .cu files, beside sysdpo.hpp, where models run on a GPU.
#pragma once

#include "sysdpo/backend/cuda/backend.cuh"
#include "sysdpo/backend/cuda/conv2d.cuh"
#include "sysdpo/backend/cuda/product.cuh"
#include "sysdpo/backend/cuda/sort.cuh"
#include "sysdpo/backend/device.hpp"
#include "sysdpo/backend/device/planned.hpp"
#include "sysdpo/backend/recorded_step.hpp"
