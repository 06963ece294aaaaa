// One step of a diffusion sampler in one sweep: guidance, the estimate of the clean image, its clipping and
// the step itself. Bound by memory.
#pragma once

#include "sysdpo/kernel/number.hpp"

namespace sysdpo::kernel {

/// next = next_of_clean·clean + next_of_z·z + next_of_noise·noise with clean = clip(clean_of_z·z +
/// clean_of_prediction·p, ±limit). z, next [size]; p is the prediction [size], or, if `guided`, q +
/// guidance·(p₊ − q) of [2, size], p₊ before q. The noise [size] may be null. next may be z or the noise.
template <class T>
struct diffusion_step {
  static constexpr int threads = 256;
  struct arguments {
    T const* z;
    T const* prediction;
    T const* noise;
    index_t size;
    bool guided;
    float guidance;
    float clean_of_z;
    float clean_of_prediction;
    float limit;  ///< 0: no clipping
    float next_of_clean;
    float next_of_z;
    float next_of_noise;
    T* next;
  };
  using shared = nothing_shared;

  static index_t blocks(arguments const& given) { return blocks_for<threads, pack_width<T>>(given.size); }

  template <class Block>
  SYSDPO_DEVICE void operator()(Block& block, arguments const& given, shared& /*memory*/) const {
    constexpr int n = pack_width<T>;
    auto const* const unconditional = given.prediction + given.size;
    bool const aligned = is_aligned<n>(given.z, 0) && is_aligned<n>(given.prediction, 0) &&
                         (!given.guided || is_aligned<n>(unconditional, 0)) &&
                         is_aligned<n>(given.noise, 0) && is_aligned<n>(given.next, 0);
    float const bound = given.limit > 0 ? given.limit : infinity;
    sweep_span<threads, n>(block, given.size, aligned, [&](index_t i, auto size) {
      float z[size.value];
      float p[size.value];
      float other[size.value];
      load(z, given.z + i);
      load(p, given.prediction + i);
      if (given.guided) {
        load(other, unconditional + i);
        for (int j = 0; j < size.value; ++j) p[j] = other[j] + given.guidance * (p[j] - other[j]);
      }
      for (int j = 0; j < size.value; ++j) {
        float const clean = given.clean_of_z * z[j] + given.clean_of_prediction * p[j];
        float const clipped = clean < -bound ? -bound : clean > bound ? bound : clean;  // NaN stays
        z[j] = given.next_of_clean * clipped + given.next_of_z * z[j];
      }
      if (given.noise != nullptr) {
        load(other, given.noise + i);
        for (int j = 0; j < size.value; ++j) z[j] += given.next_of_noise * other[j];
      }
      store(given.next + i, z);
    });
  }
};

}  // namespace sysdpo::kernel
