// Small categorical systems whose every probability can be written down: the ground on which the loss is
// checked.
#pragma once

#include <cmath>
#include <vector>

#include "sysdpo/backend/cpu.hpp"
#include "sysdpo/graph/preference.hpp"
#include "sysdpo/loss/preference.hpp"
#include "sysdpo/model/table.hpp"
#include "sysdpo/policy/deterministic.hpp"
#include "sysdpo/policy/tabular.hpp"

namespace test {

struct question {
  static constexpr auto name = "question";
};
struct draft {
  static constexpr auto name = "draft";
};
struct answer {
  static constexpr auto name = "answer";
};
struct draft_weights {
  static constexpr auto name = "draft";
};
struct answer_weights {
  static constexpr auto name = "answer";
};

using three = sysdpo::category<3>;
using draft_table = sysdpo::table<draft_weights>;
using answer_table = sysdpo::table<answer_weights>;
using draft_node = sysdpo::node<draft, sysdpo::tabular<draft_table, three>, sysdpo::from<question>>;

/// x → y → z, and z sees x too.
using skip_system =
    sysdpo::system<sysdpo::source<question, sysdpo::category<1>>, draft_node,
                   sysdpo::node<answer, sysdpo::tabular<answer_table, three>, sysdpo::from<question, draft>>>;
/// x → y → z.
using chain_system =
    sysdpo::system<sysdpo::source<question, sysdpo::category<1>>, draft_node,
                   sysdpo::node<answer, sysdpo::tabular<answer_table, three>, sysdpo::from<draft>>>;

using double_precision = sysdpo::precision<double>;
template <class System>
using double_models = sysdpo::models<System, sysdpo::cpu, double_precision>;
template <class System, class Link = sysdpo::logistic>
using double_loss = sysdpo::preference_loss<System, sysdpo::cpu, double_precision, Link>;

/// Both tables of random logits.
template <class System>
double_models<System> random_models(std::uint64_t seed, sysdpo::index_t answer_contexts = 3) {
  return double_models<System>({{.contexts = 1, .categories = 3, .initial_deviation = 1},
                                {.contexts = answer_contexts, .categories = 3, .initial_deviation = 1}},
                               seed);
}

/// p(y, z | x = 0) as [y * 3 + z].
template <class System>
std::vector<double> joint_of(double_models<System> const& models) {
  auto const y = models.template get<draft_table>().probabilities();
  auto const z = models.template get<answer_table>().probabilities();
  std::vector<double> joint;
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) joint.push_back(y[i] * z[i * 3 + j]);
  return joint;
}

template <class System>
sysdpo::assignment<System> outcome(int y, int z) {
  sysdpo::assignment<System> values;
  sysdpo::get<question>(values) = 0;
  sysdpo::get<draft>(values) = y;
  sysdpo::get<answer>(values) = z;
  return values;
}

template <class System>
std::vector<sysdpo::pair_visit<System>> visits_of(std::vector<sysdpo::preference<System>> const& pairs) {
  std::vector<sysdpo::pair_visit<System>> visits;
  for (auto const& pair : pairs) visits.push_back({&pair, 0});
  return visits;
}

}  // namespace test
