// A table of logits as a model: what tabular policies read.
#pragma once

#include <cmath>
#include <vector>

#include "sysdpo/model/parameters.hpp"
#include "sysdpo/tensor/tape.hpp"

namespace sysdpo {

/// The sizes of a table.
struct table_config {
  index_t contexts = 1;          ///< combinations of the parents' categories
  index_t categories = 2;        ///< possibilities of the value
  double initial_deviation = 0;  ///< of the logits; 0 starts uniform
};

/// `logits` [contexts, categories], one weight called "logits".
template <class Backend, class Precision>
class table_model {
 public:
  using T = typename Precision::compute;

  /// \throws error without contexts or categories.
  explicit table_model(table_config const& config, std::uint64_t seed = 0)
      : config_(config), parameters_(seed) {
    if (config.contexts < 1 || config.categories < 1)
      fail({"table", std::to_string(config.contexts) + " x " + std::to_string(config.categories),
            "a table needs at least one context and one category", "Correct the configuration"});
    logits_ =
        &parameters_.add("logits", {config.contexts, config.categories}, normal(config.initial_deviation));
  }

  [[nodiscard]] table_config const& config() const { return config_; }
  [[nodiscard]] parameter_set<Backend, Precision>& parameters() { return parameters_; }
  [[nodiscard]] parameter_set<Backend, Precision> const& parameters() const { return parameters_; }

  [[nodiscard]] variable<Backend, T> logits(tape<Backend, T>& tape) { return tape.watch(*logits_); }

  /// softmax of the logits, on the host, row-major.
  [[nodiscard]] std::vector<double> probabilities() const {
    auto const logits = logits_->value.to_host_widened();
    std::vector<double> table;
    for (std::size_t row = 0; row < logits.size(); row += static_cast<std::size_t>(config_.categories)) {
      auto const begin = table.size();
      double sum = 0;
      auto highest = static_cast<double>(logits[row]);
      for (std::size_t i = 0; i < static_cast<std::size_t>(config_.categories); ++i)
        highest = std::max(highest, static_cast<double>(logits[row + i]));
      for (std::size_t i = 0; i < static_cast<std::size_t>(config_.categories); ++i)
        sum += table.emplace_back(std::exp(static_cast<double>(logits[row + i]) - highest));
      for (auto i = begin; i < table.size(); ++i) table[i] /= sum;
    }
    return table;
  }

 private:
  table_config config_;
  parameter_set<Backend, Precision> parameters_;
  parameter<Backend, Precision>* logits_;
};

/// Describes a table of logits.
template <class Tag>
struct table {
  using tag = Tag;
  using config = table_config;
  template <class Backend, class Precision>
  using instance = table_model<Backend, Precision>;
};

}  // namespace sysdpo
