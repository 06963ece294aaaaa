// Sorting by CUB.
#include "sysdpo/backend/cuda/sort.cuh"

void sort(std::int32_t* ids) {
  sysdpo::implement<sysdpo::sort_ids_op, sysdpo::cuda>::forward({ids, {8}}, {ids + 8, {8}}, {ids + 16, {8}});
}
