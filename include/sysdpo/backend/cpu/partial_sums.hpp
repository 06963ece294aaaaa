// Sums over rows, such as the gradients of gains and biases, over several threads: each thread adds up its
// own part, then the parts are added in order. The same bits in every run with the same thread count.
#pragma once

#include "sysdpo/backend/cpu/channel_blocks.hpp"
#include "sysdpo/backend/cpu/matrix.hpp"
#include "sysdpo/backend/cpu/scratch.hpp"

namespace sysdpo::cpu_detail {

/// `width` sums over `rows` rows, of which a thread takes at least `grain`.
template <class T>
class partial_sums {
 public:
  partial_sums(index_t rows, index_t grain, index_t width)
      : rows_(rows),
        width_(width),
        parts_(std::clamp<index_t>(rows / std::max<index_t>(grain, 1), 1, cpu_threads())),
        sums_(parts_ * width) {
    cpu::zero(sums_.data(), static_cast<std::size_t>(parts_ * width) * sizeof(T));
  }

  /// body(begin, end, sums): adds what the rows [begin, end) contribute to sums[0 … width).
  template <class Body>
  void add(Body&& body) {
    parallel_for(parts_, 1, [&](index_t begin, index_t end) {
      for (auto part = begin; part < end; ++part)
        body(rows_ * part / parts_, rows_ * (part + 1) / parts_, sums_.data() + part * width_);
    });
    for (index_t part = 1; part < parts_; ++part)
      array_map<T>(sums_.data(), width_) += const_array_map<T>(sums_.data() + part * width_, width_);
  }

  /// Stores the sums from `offset` on to `destination`, where wanted.
  void store_to(gradient_view<T> destination, index_t offset = 0) const {
    if (destination)
      store(array_map<T>(destination.data, destination.size()), destination.accumulate,
            const_array_map<T>(sums_.data() + offset, destination.size()));
  }

 private:
  index_t rows_;
  index_t width_;
  index_t parts_;
  scratch<T> sums_;
};

/// The sum of `count` rows of `width` elements each, to `to`: the gradient of a bias.
template <class T>
void column_sums(T const* rows, index_t count, index_t width, gradient_view<T> to) {
  partial_sums<T> sums(count, 1 + elementwise_grain / (width + 1), width);
  sums.add([&](index_t begin, index_t end, T* part) {
    for_each_channel_block<T>(width, [&]<class Block>(index_t first) {
      Block sum(part + first);
      for (auto row = begin; row < end; ++row) sum = sum + Block(rows + row * width + first);
      sum.store(part + first);
    });
  });
  sums.store_to(to);
}

}  // namespace sysdpo::cpu_detail
