// A categorical node: one row of logits for every combination of its parents' categories. Exact, and small
// enough to be trained to the optimum that the theory predicts.
#pragma once

#include <cmath>
#include <string>
#include <tuple>

#include "sysdpo/op/embedding.hpp"
#include "sysdpo/op/log_softmax_gather.hpp"
#include "sysdpo/policy/concept.hpp"

namespace sysdpo {

/// `Model` has `logits(tape) → variable [contexts, categories]` and `Value` is a `category<N>`. The context
/// of a row is its parents' categories read as a number, the first parent most significant; without parents
/// it is 0. `sample` asks for `probabilities()`, softmax of the logits on the host, row-major.
template <class Model, class Value>
struct tabular {
  using value = Value;
  using model = Model;
  static constexpr loss_kind loss_is = loss_kind::exact;
  static constexpr auto kind = "tabular";

  /// Only categories may be parents.
  template <class... Parents>
  static constexpr bool accepts = (requires { Parents::categories; } && ...);

  /// log p(value | parents) = log softmax(logits[context])[value], [rows].
  /// \throws error if a value or parent is no category of its type, or the table does not fit the types.
  template <class Backend, class T, class... Parents>
  static variable<Backend, widened<T>> log_prob(tape<Backend, T>& tape, auto& model,
                                                detail::no_options const&,
                                                std::span<scored_row<Value, Parents...> const> rows) {
    std::vector<std::int32_t> contexts;
    std::vector<std::int32_t> targets;
    for (auto const& row : rows) {
      contexts.push_back(context<Parents...>(row.parents));
      targets.push_back(checked<Value>(*row.value));
    }
    auto const count = static_cast<index_t>(rows.size());
    auto logits =
        embedding(tape, model.logits(tape), tensor<Backend, std::int32_t>::from_host({count}, contexts));
    check_width(logits.extents()[1]);
    return log_softmax_gather(tape, std::move(logits),
                              tensor<Backend, std::int32_t>::from_host({count}, targets),
                              logits_memory::consume);
  }

  /// Draws by inversion of the cumulative distribution. \throws error if the table does not fit the types, or
  /// gives no distribution.
  template <class... Parents>
  static drawn<Value> sample(auto& model, detail::no_options const&,
                             std::span<drawn_request<Parents...> const> requests) {
    if constexpr (requires { model.config().categories; }) check_width(model.config().categories);
    auto const table = model.probabilities();
    drawn<Value> result;
    for (auto const& request : requests) {
      auto const at = context<Parents...>(request.parents);
      auto const first = static_cast<std::size_t>(at) * Value::categories;
      if (first + Value::categories > table.size())
        fail({"tabular node", "context " + std::to_string(at),
              "the table has " + std::to_string(table.size() / Value::categories) + " contexts",
              "Configure a context for every combination of the parents' categories"});
      auto const* const row = table.data() + first;
      auto const u = static_cast<double>(uniform_at(philox_stream(request.key), 0));
      double sum = 0;
      int category = 0;
      for (; category + 1 < Value::categories; ++category) {
        sum += row[category];
        if (sum > u) break;
      }
      if (std::isnan(sum))
        fail({"tabular node", "context " + std::to_string(at),
              "its logits give no distribution: NaN or infinity", "Check the model's weights"});
      result.values.push_back(category);
      result.valid.push_back(true);
    }
    return result;
  }

 private:
  static void check_width(index_t categories) {
    if (categories != Value::categories)
      fail({"tabular node", "a table of " + std::to_string(categories) + " categories",
            "the type has " + std::to_string(Value::categories), "Configure the model with as many"});
  }

  template <class Category>
  static std::int32_t checked(int category) {
    if (category < 0 || category >= Category::categories)
      fail({"tabular node", "category " + std::to_string(category),
            "the type has categories 0 to " + std::to_string(Category::categories - 1), "Correct the data"});
    return category;
  }

  template <class... Parents>
  static std::int32_t context(std::tuple<typename Parents::type const*...> const& parents) {
    std::int32_t index = 0;
    std::apply(
        [&](auto const*... parent) {
          ((index = index * Parents::categories + checked<Parents>(*parent)), ...);
        },
        parents);
    return index;
  }
};

}  // namespace sysdpo
