// A module of LibTorch as a model of sysdpo, for policies of one's own. Generic: copy it as it is.
//
// Weights and gradients are sysdpo's memory, which torch sees through tensors that own nothing. So sysdpo can
// copy, audit and save what torch computes with, and an optimiser of either side can move it. Buffers of a
// module (running means …) stay with the module: they are neither copied nor saved.
#pragma once

#include <torch/torch.h>

#include <sysdpo.hpp>

template <class T>
inline constexpr auto torch_type = c10::CppTypeToScalarType<T>::value;

/// The array at `data`, seen by torch: nothing is copied, nothing kept alive.
template <class T>
torch::Tensor seen_by_torch(T* data, sysdpo::shape const& extents) {
  std::vector<std::int64_t> sizes;
  for (int axis = 0; axis < extents.rank(); ++axis) sizes.push_back(extents[axis]);
  using number = std::remove_const_t<T>;  // torch knows no tensor of constants
  return torch::from_blob(const_cast<number*>(data), sizes, torch_type<number>);
}

inline sysdpo::shape shape_of(torch::Tensor const& tensor) {
  sysdpo::shape extents;
  for (auto const extent : tensor.sizes()) extents.append(extent);
  return extents;
}

/// An instance of `Network`, a torch::nn::Module made from a `Network::config`.
template <class Network, class Backend, class Precision>
class torch_instance {
 public:
  using T = typename Precision::compute;
  static_assert(std::is_same_v<Backend, sysdpo::cpu>, "torch is given pointers to the host's memory");
  static_assert(std::is_same_v<typename Precision::parameter, T>,
                "torch computes in the type of its weights");

  torch_instance(typename Network::config const& config, std::uint64_t seed) : config_(config) {
    torch::manual_seed(seed);
    network_ = std::make_shared<Network>(config);
    network_->to(torch_type<T>);
    for (auto& item : network_->named_parameters()) {
      auto& weight = parameters_.add(item.key(), shape_of(item.value()), sysdpo::zeros);
      auto const shared = seen_by_torch(weight.value.data(), weight.value.extents());
      shared.copy_(item.value().detach());
      item.value().set_data(shared);
    }
  }

  [[nodiscard]] typename Network::config const& config() const { return config_; }
  [[nodiscard]] auto& parameters() { return parameters_; }
  [[nodiscard]] auto const& parameters() const { return parameters_; }
  [[nodiscard]] Network& network() { return *network_; }

  /// Shows the gradients that sysdpo has added up to torch's optimisers and utilities.
  void lend_gradients() {
    auto weight = parameters_.begin();
    for (auto& tensor : network_->parameters()) {
      auto const& [value, filled] = (weight++)->gradient;
      tensor.mutable_grad() = filled ? seen_by_torch(value.data(), value.extents()) : torch::Tensor();
    }
  }

 private:
  typename Network::config config_;
  std::shared_ptr<Network> network_;
  sysdpo::parameter_set<Backend, Precision> parameters_;
};

/// Describes a module of LibTorch, as `sysdpo::transformer<…>` describes a transformer.
template <class Network>
struct torch_model {
  using tag = Network;
  using config = typename Network::config;
  template <class Backend, class Precision>
  using instance = torch_instance<Network, Backend, Precision>;
};

/// What `compute(network)` gives, [rows], as one operation of `tape`, whose way back is torch's autograd.
template <class Backend, class T, class Model, class Compute>
sysdpo::variable<Backend, T> record_torch(sysdpo::tape<Backend, T>& tape, Model& model, Compute&& compute) {
  std::vector<torch::Tensor> weights;
  std::vector<sysdpo::gradient_of<Backend, T>> gradients;
  auto weight = model.parameters().begin();
  for (auto const& tensor : model.network().parameters()) {
    auto const watched = tape.watch(*weight++);
    if (!watched.wants_gradient()) continue;
    weights.push_back(tensor);
    gradients.emplace_back(watched);
  }
  torch::AutoGradMode const recording(!weights.empty());
  torch::Tensor const result = compute(model.network());
  sysdpo::tensor<Backend, T> value(shape_of(result));
  seen_by_torch(value.data(), value.extents()).copy_(result.detach());
  if (weights.empty()) return tape.constant(std::move(value));

  auto flow = [result, weights, gradients](sysdpo::array_view<T const> upstream) {
    auto const given =
        torch::autograd::grad({result}, weights, {seen_by_torch(upstream.data, upstream.extents)},
                              /*retain_graph=*/false, /*create_graph=*/false, /*allow_unused=*/true);
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (!given[i].defined()) continue;
      auto const to = gradients[i].sink();
      auto const sum = seen_by_torch(to.data, to.extents);
      to.accumulate ? sum.add_(given[i]) : sum.copy_(given[i]);
    }
  };
  // The tape asks the inputs whether any wants a gradient: one that does will do.
  return tape.record(std::move(value), {gradients.front()}, std::move(flow));
}

/// One line of numbers for each of `rows`: [rows, numbers].
template <class T, class Rows, class NumbersOf>
torch::Tensor matrix(Rows const& rows, NumbersOf&& numbers_of) {
  std::vector<T> flat;
  for (auto const& row : rows)
    for (auto const number : numbers_of(row)) flat.push_back(static_cast<T>(number));
  return torch::tensor(flat, torch_type<T>).view({std::ssize(rows), -1});
}

/// The rows of a matrix as values drawn, arrays of numbers.
template <class Value>
sysdpo::drawn<Value> drawn_rows(torch::Tensor const& rows) {
  using array = typename Value::type;
  using number = typename array::value_type;
  auto const numbers = rows.to(torch_type<number>).contiguous();
  auto const* at = numbers.template data_ptr<number>();
  sysdpo::drawn<Value> result;
  result.values.resize(static_cast<std::size_t>(rows.size(0)));
  result.valid.assign(result.values.size(), true);
  for (auto& value : result.values) {
    std::copy_n(at, value.size(), value.begin());
    at += value.size();
  }
  return result;
}
