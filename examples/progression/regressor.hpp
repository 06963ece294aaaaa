// Reads every attribute's level off an image: a small convolutional network trained on rendered scenes. It
// alone scores the sequences; the renderer's truth is used for training it and for measuring how well it
// reads, never for a preference.
#pragma once

#include <fmt/format.h>

#include <sysdpo.hpp>
#include <vector>

#include "corpus.hpp"
#include "scores.hpp"

namespace progression {

class regressor {
 public:
  using variable = sysdpo::variable<sysdpo::cpu, float>;
  using tensor = sysdpo::tensor<sysdpo::cpu, float>;
  using tape_type = sysdpo::tape<sysdpo::cpu, float>;

  explicit regressor(std::uint64_t seed) : weights_(seed) {
    sysdpo::index_t channels = 3;
    for (std::size_t i = 0; i < convolutions_.size(); ++i) {
      auto const outputs = widths[i];
      auto& layer = convolutions_[i];
      auto const name = fmt::format("conv{}", i);
      layer.weight = &weights_.add(name + ".weight", {outputs, channels, 3, 3},
                                   sysdpo::scaled_normal(9 * channels, 1.6));
      layer.bias = &weights_.add(name + ".bias", {outputs}, sysdpo::zeros);
      layer.gain = &weights_.add(name + ".norm.weight", {outputs}, sysdpo::ones);
      layer.shift = &weights_.add(name + ".norm.bias", {outputs}, sysdpo::zeros);
      channels = outputs;
    }
    auto const features = channels * (image_size / 4) * (image_size / 4);
    hidden_ = {&weights_.add("hidden.weight", {64, features}, sysdpo::scaled_normal(features, 1.6)),
               &weights_.add("hidden.bias", {64}, sysdpo::zeros)};
    output_ = {&weights_.add("output.weight", {attribute_count, 64}, sysdpo::scaled_normal(64)),
               &weights_.add("output.bias", {attribute_count}, sysdpo::zeros)};
  }

  sysdpo::parameter_set<sysdpo::cpu, sysdpo::precision<float>>& weights() { return weights_; }

  /// images [N, H, W, 3] → levels [N, attribute_count]
  variable levels(tape_type& tape, tensor const& images) {
    auto x = tape.constant(images);
    for (std::size_t i = 0; i < convolutions_.size(); ++i) {
      auto const& layer = convolutions_[i];
      x = sysdpo::conv2d(tape, x, tape.watch(*layer.weight), tape.watch(*layer.bias),
                         {.stride = i == 0 || i == 2 ? 1 : 2, .padding = 1});
      x = sysdpo::group_norm(tape, x, tape.watch(*layer.gain), tape.watch(*layer.shift),
                             {.groups = 1, .then = sysdpo::activation::silu});
    }
    auto const count = x.extent(0);
    x = x.reshaped({count, x.extents().size() / std::max<sysdpo::index_t>(count, 1)});
    x = sysdpo::silu(tape, sysdpo::linear(tape, x, tape.watch(*hidden_.weight), tape.watch(*hidden_.bias)));
    return sysdpo::linear(tape, x, tape.watch(*output_.weight), tape.watch(*output_.bias));
  }

  /// The level of `attribute[i]` in `images[i]`, as read.
  std::vector<float> read(std::span<picture const> images, std::span<int const> attribute) {
    std::vector<float> readings;
    constexpr std::size_t batch = 128;
    for (std::size_t begin = 0; begin < images.size(); begin += batch) {
      auto const part = images.subspan(begin, std::min(batch, images.size() - begin));
      tape_type scratch(sysdpo::recording::off);
      auto const levels_read = levels(scratch, pack(part)).value();
      for (std::size_t i = 0; i < part.size(); ++i)
        readings.push_back(
            levels_read.data()[i * attribute_count + static_cast<std::size_t>(attribute[begin + i])]);
    }
    return readings;
  }

  /// Images as one [N, H, W, 3] tensor.
  static tensor pack(std::span<picture const> images) {
    std::vector<float> host;
    for (auto const& image : images) host.insert(host.end(), image.begin(), image.end());
    return tensor::from_host({static_cast<sysdpo::index_t>(images.size()), image_size, image_size, 3}, host);
  }

 private:
  static constexpr std::array<sysdpo::index_t, 4> widths{24, 32, 32, 48};

  struct convolution {
    sysdpo::parameter<sysdpo::cpu, sysdpo::precision<float>>*weight, *bias, *gain, *shift;
  };
  struct affine {
    sysdpo::parameter<sysdpo::cpu, sysdpo::precision<float>>*weight, *bias;
  };

  sysdpo::parameter_set<sysdpo::cpu, sysdpo::precision<float>> weights_;
  std::array<convolution, widths.size()> convolutions_{};
  affine hidden_{};
  affine output_{};
};

}  // namespace progression
