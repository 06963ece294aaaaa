// Sequences of different lengths in one array, end to end without padding. Sequence i is rows [offsets[i],
// offsets[i+1]) of the packed array.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "sysdpo/tensor/tensor.hpp"

namespace sysdpo {

/// Where each sequence lies. `offsets` [count + 1] is in the backend's memory; the host keeps what decides
/// launches.
template <class Backend>
struct packed_sequences {
  tensor<Backend, std::int32_t> offsets;
  std::vector<std::int32_t> host_offsets;  ///< the same on the host, so that nobody need read them back
  index_t count = 0;                       ///< sequences, empty ones included
  index_t total = 0;                       ///< rows of the packed array
  index_t longest = 0;                     ///< rows of the longest sequence
};

/// Token ids of packed sequences: `ids` [total].
template <class Backend>
struct packed_tokens {
  tensor<Backend, std::int32_t> ids;
  packed_sequences<Backend> sequences;
};

/// Sequences of the given lengths, end to end. \throws error on a negative length or more than 2³¹ − 1 rows.
template <class Backend>
[[nodiscard]] packed_sequences<Backend> pack_lengths(std::span<index_t const> lengths) {
  packed_sequences<Backend> packed;
  auto& offsets = packed.host_offsets;
  offsets.reserve(lengths.size() + 1);
  offsets.push_back(0);
  packed.count = static_cast<index_t>(lengths.size());
  for (auto const length : lengths) {
    packed.total += length;
    if (length < 0 || packed.total > std::numeric_limits<std::int32_t>::max())
      fail({"pack_lengths", "sequence " + std::to_string(offsets.size() - 1),
            "a length of " + std::to_string(length) + " does not fit", "Pack fewer rows at a time"});
    packed.longest = std::max(packed.longest, length);
    offsets.push_back(static_cast<std::int32_t>(packed.total));
  }
  packed.offsets = tensor<Backend, std::int32_t>::from_host({packed.count + 1}, offsets);
  return packed;
}

/// `sequences` end to end.
template <class Backend>
[[nodiscard]] packed_tokens<Backend> pack_tokens(std::span<std::vector<std::int32_t> const> sequences) {
  std::vector<index_t> lengths;
  std::vector<std::int32_t> ids;
  for (auto const& sequence : sequences) {
    lengths.push_back(static_cast<index_t>(sequence.size()));
    ids.insert(ids.end(), sequence.begin(), sequence.end());
  }
  auto packed = pack_lengths<Backend>(lengths);
  return {tensor<Backend, std::int32_t>::from_host({packed.total}, ids), std::move(packed)};
}

}  // namespace sysdpo
