// The check of ids against the size of a table, without the host waiting: it reads the report when it likes.
// One block; ids are few, so latency is all it takes.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// The first id that its table does not have.
struct id_report {
  std::int64_t position;  ///< −1 where all are fine
  std::int64_t id;        ///< 0 where all are fine
};

/// report [1]: of ids [size], the first outside [0, bound).
struct check_ids {
  static constexpr int threads = 1024;
  struct arguments {
    std::int32_t const* ids;
    index_t size;
    index_t bound;
    id_report* report;
  };
  struct shared {
    std::int64_t first_of_warp[threads / warp_size];
  };

  static index_t blocks(arguments const& /*given*/) { return 1; }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& memory) const {
    std::int64_t mine = given.size;
    std::int32_t id = 0;
    for (index_t i = block.thread(); i < mine; i += threads) {
      id = given.ids[i];
      if (id < 0 || id >= given.bound) mine = i;
    }
    auto first = mine;
    for (int mask = warp_size / 2; mask > 0; mask /= 2) {
      auto const other = block.shuffle_xor(first, mask);
      if (other < first) first = other;
    }
    if (block.thread() % warp_size == 0) memory.first_of_warp[block.thread() / warp_size] = first;
    block.sync();
    for (auto const other : memory.first_of_warp)
      if (other < first) first = other;
    if (first == given.size) {
      if (block.thread() == 0) *given.report = {-1, 0};
    } else if (mine == first) {  // whoever found it
      *given.report = {first, id};
    }
  }
};

}  // namespace sysdpo::kernel
