// One model's weights as safetensors under their Hugging Face names. Shapes are those in memory, which are
// PyTorch's: linear weights [out, in], convolutions [out, in, height, width].
#pragma once

#include <fmt/format.h>

#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sysdpo/io/safetensors.hpp"
#include "sysdpo/model/parameters.hpp"

namespace sysdpo {

/// What to do with tensors of a file that the model does not have.
enum class extra_tensors { refuse, ignore };

namespace detail {

/// Host copies of tensors, ready to be written.
class staged_tensors {
 public:
  template <class Backend, class T>
  void add(std::string name, tensor<Backend, T> const& values) {
    std::vector<std::int64_t> extents;
    for (int axis = 0; axis < values.extents().rank(); ++axis) extents.push_back(values.extent(axis));
    auto const host = values.to_host();
    auto& bytes =
        storage_.emplace_back(std::as_bytes(std::span(host)).begin(), std::as_bytes(std::span(host)).end());
    views_.push_back({std::move(name), dtype_of<T>(), std::move(extents), bytes});
  }
  [[nodiscard]] std::span<tensor_view const> views() const { return views_; }

 private:
  std::deque<std::vector<std::byte>> storage_;
  std::vector<tensor_view> views_;
};

/// Fails unless `from` can be copied to an array of these extents and floating-point elements.
inline void check_tensor(tensor_view const& from, shape const& extents, std::filesystem::path const& place) {
  auto const refuse = [&](std::string cause) {
    fail({"weights", fmt::format("{}, tensor '{}'", place.string(), from.name), std::move(cause),
          "Use weights of the same model and configuration"});
  };
  bool same = static_cast<int>(from.shape.size()) == extents.rank();
  for (int axis = 0; same && axis < extents.rank(); ++axis)
    same = from.shape[static_cast<std::size_t>(axis)] == extents[axis];
  if (!same)
    refuse(fmt::format("its shape is [{}] where the model has {}", detail::list_of(from.shape),
                       to_string(extents)));
  if (from.type != dtype::f32 && from.type != dtype::f64 && from.type != dtype::bf16 &&
      from.type != dtype::f16)
    refuse(fmt::format("its elements are {}, no floating-point numbers", name_of(from.type)));
}

template <class Backend, class T>
void copy_tensor(tensor_view const& from, tensor<Backend, T> const& to) {
  std::vector<T> host(static_cast<std::size_t>(to.size()));
  copy_elements(from, std::span(host));
  Backend::upload(to.data(), host.data(), to.bytes());
}

/// Weights in a file or a folder that were found to fit a parameter set.
template <class Source, class Backend, class Precision>
class fitting_weights {
 public:
  fitting_weights(std::filesystem::path const& place, parameter_set<Backend, Precision>& weights,
                  extra_tensors extra)
      : source_(place), weights_(&weights) {
    for (auto const& weight : weights) {
      if (!source_.contains(weight.name))
        fail({"weights", fmt::format("{}, tensor '{}'", place.string(), weight.name), "it is missing",
              "Use weights of the same model and configuration"});
      check_tensor(source_.find(weight.name), weight.value.extents(), place);
    }
    if (extra == extra_tensors::refuse)
      for (auto const& name : source_.names())
        if (weights.find(name) == nullptr)
          fail({"weights", fmt::format("{}, tensor '{}'", place.string(), name),
                "the model has no such weight", "Check the configuration, or ask to ignore extra tensors"});
  }

  void copy() const {
    for (auto& weight : *weights_) copy_tensor(source_.find(weight.name), weight.value);
  }

 private:
  Source source_;
  parameter_set<Backend, Precision>* weights_;
};

}  // namespace detail

/// Writes all weights to one file, in the format that they are stored in, wholly or not at all.
template <class Backend, class Precision>
void save_weights(std::filesystem::path const& file, parameter_set<Backend, Precision> const& weights) {
  detail::staged_tensors staged;
  for (auto const& weight : weights) staged.add(weight.name, weight.value);
  write_safetensors(file, staged.views(), {{"format", "pt"}});
}

/// Reads every weight from a safetensors file, or from a folder with model.safetensors or its shards.
/// \throws error if a tensor is missing, superfluous or of another shape; the weights then stay as they were.
template <class Backend, class Precision>
void load_weights(std::filesystem::path const& place, parameter_set<Backend, Precision>& weights,
                  extra_tensors extra = extra_tensors::refuse) {
  if (std::filesystem::is_directory(place))
    detail::fitting_weights<safetensors_folder, Backend, Precision>(place, weights, extra).copy();
  else
    detail::fitting_weights<safetensors_file, Backend, Precision>(place, weights, extra).copy();
}

}  // namespace sysdpo
