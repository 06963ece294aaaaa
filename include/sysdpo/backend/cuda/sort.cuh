// Stable sorting of ids on a GPU, by CUB's radix sort. ids, sorted and order [N]: sorted[i] = ids[order[i]],
// ascending, equal ids in ascending order of their places; nothing aliases. Headers of CUB take seconds to
// compile.
#pragma once

#include <cub/device/device_radix_sort.cuh>
#include <cub/version.cuh>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "sysdpo/backend/cuda/backend.cuh"
#include "sysdpo/backend/scratch.hpp"

namespace sysdpo {

namespace cuda_detail {

/// places [size] = 0, 1, 2 …
struct count_up {
  static constexpr int threads = 256;
  struct arguments {
    index_t size;
    std::int32_t* places;
  };
  using shared = kernel::nothing_shared;
  static index_t blocks(arguments const& given) { return kernel::ceil_divide(given.size, threads); }
  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    auto const i = block.index() * threads + block.thread();
    if (i < given.size) given.places[i] = static_cast<std::int32_t>(i);
  }
};

}  // namespace cuda_detail

template <>
struct implement<sort_ids_op, cuda> {
  /// \throws error beyond 2³¹ − 1 ids, or if the device refuses.
  static void forward(array_view<std::int32_t const> ids, array_view<std::int32_t> sorted,
                      array_view<std::int32_t> order) {
    auto const size = ids.size();
    if (size == 0) return;
    if (size > std::numeric_limits<std::int32_t>::max())
      fail({"sorting of ids", std::to_string(size) + " ids", "places are numbers of 32 bits",
            "Use smaller batches"});
    auto const count = static_cast<std::int32_t>(size);
    scratch_of<cuda, std::int32_t> const places(size);
    cuda::launch<cuda_detail::count_up>({size, places.data()});

    auto& device = cuda_detail::state();
    std::size_t bytes = 0;
    auto const sort = [&](void* workspace) {
      constexpr int bits = 8 * sizeof(std::int32_t);
      check_cuda(cub::DeviceRadixSort::SortPairs(workspace, bytes, ids.data, sorted.data,
                                                 static_cast<std::int32_t const*>(places.data()), order.data,
                                                 count, 0, bits, device.stream),
                 "cub::DeviceRadixSort::SortPairs");
    };
    sort(nullptr);  // only says how much it needs
    scratch_of<cuda, std::byte> const workspace(bytes == 0 ? 1 : static_cast<index_t>(bytes));
    if (device.is_to_issue(cuda_detail::sort_call, ids.data, sorted.data, order.data, places.data(),
                           workspace.data(), count))
      sort(workspace.data());
  }
};

}  // namespace sysdpo
