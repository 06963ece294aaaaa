#include "sysdpo/loss/metrics.hpp"

#include "support/catch.hpp"
#include "support/tabular_systems.hpp"

using namespace test;

namespace {

struct panel_weights {
  [[maybe_unused]] static constexpr auto name = "panel";
};
template <int K>
struct panel {
  static constexpr auto name = "panel";
  static constexpr int index = K;
};
using panel_table = sysdpo::table<panel_weights>;
template <int K>
using panel_node = sysdpo::node<panel<K>, sysdpo::tabular<panel_table, three>, sysdpo::from<draft>>;

/// Two nodes of one group with another between them: slots are not in the order of nodes.
using interleaved_system =
    sysdpo::system<sysdpo::source<question, sysdpo::category<1>>, draft_node, panel_node<0>,
                   sysdpo::node<answer, sysdpo::tabular<answer_table, three>, sysdpo::from<draft>>,
                   panel_node<1>>;
static_assert(interleaved_system::slot_of == std::array<std::size_t, 4>{0, 1, 3, 2});

double_models<interleaved_system> some_models(std::uint64_t seed) {
  sysdpo::table_config const from_draft{.contexts = 3, .categories = 3, .initial_deviation = 1};
  return double_models<interleaved_system>(
      {{.contexts = 1, .categories = 3, .initial_deviation = 1}, from_draft, from_draft}, seed);
}

std::vector<sysdpo::preference<interleaved_system>> some_pairs() {
  std::vector<sysdpo::preference<interleaved_system>> pairs;
  sysdpo::generator random(4);
  for (std::uint64_t id = 0; id < 5; ++id) {
    auto& pair = pairs.emplace_back();
    pair.id = id;
    for (auto* side : {&pair.chosen, &pair.rejected}) {
      sysdpo::get<draft>(*side) = static_cast<int>(random.uniform_index(3));
      sysdpo::get<panel<0>>(*side) = static_cast<int>(random.uniform_index(3));
      sysdpo::get<answer>(*side) = static_cast<int>(random.uniform_index(3));
      sysdpo::get<panel<1>>(*side) = static_cast<int>(random.uniform_index(3));
    }
  }
  return pairs;
}

/// log p − log p_ref of each node, from the tables.
struct node_ratios {
  double draft, panel_0, answer, panel_1;
};
node_ratios ratios_of(double_models<interleaved_system> const& policy,
                      double_models<interleaved_system> const& reference,
                      sysdpo::assignment<interleaved_system> const& values) {
  auto const ratio = [&]<class Table>(std::type_identity<Table>, int context, int value) {
    auto const at = static_cast<std::size_t>(3 * context + value);
    return std::log(policy.template get<Table>().probabilities()[at] /
                    reference.template get<Table>().probabilities()[at]);
  };
  auto const y = sysdpo::get<draft>(values);
  return {ratio(std::type_identity<draft_table>{}, 0, y),
          ratio(std::type_identity<panel_table>{}, y, sysdpo::get<panel<0>>(values)),
          ratio(std::type_identity<answer_table>{}, y, sysdpo::get<answer>(values)),
          ratio(std::type_identity<panel_table>{}, y, sysdpo::get<panel<1>>(values))};
}

using options_type = sysdpo::preference_options<interleaved_system>;

options_type some_options() {
  options_type options{.beta = 0.7};
  options.scales.at<draft>() = 0.3;
  options.scales.at<panel<0>>() = 1.5;
  options.scales.at<answer>() = 2;
  options.scales.at<panel<1>>() = -0.5;
  return options;
}

}  // namespace

TEST_CASE("every node's share of the margin is reported under its own name", "[loss]") {
  auto policy = some_models(1);
  auto reference = some_models(2);
  auto const pairs = some_pairs();
  auto const options = some_options();
  double_loss<interleaved_system> loss(policy, reference, {}, options);
  auto const metrics = sysdpo::metrics_of<interleaved_system>(loss.score(visits_of(pairs)), options);

  auto const check = [&](std::string const& prefix, double factor, auto const& ratio) {
    double mean = 0, square = 0, right = 0;
    for (auto const& pair : pairs) {
      auto const margin = factor * (ratio(ratios_of(policy, reference, pair.chosen)) -
                                    ratio(ratios_of(policy, reference, pair.rejected)));
      mean += margin / 5;
      square += margin * margin / 5;
      right += margin > 0 ? 0.2 : 0;
    }
    INFO(prefix);
    CHECK(metrics.at(prefix + "rewards/margins") == Approx(mean).epsilon(1e-12));
    CHECK(metrics.at(prefix + "rewards/accuracies") == Approx(right));
    if (!prefix.empty())
      CHECK(metrics.at(prefix + "rewards/margins_std") ==
            Approx(std::sqrt(square - mean * mean)).epsilon(1e-9));
  };
  check("node/draft/", 0.7 * 0.3, [](auto const& r) { return r.draft; });
  check("node/panel_0/", 0.7 * 1.5, [](auto const& r) { return r.panel_0; });
  check("node/answer/", 0.7 * 2, [](auto const& r) { return r.answer; });
  check("node/panel_1/", 0.7 * -0.5, [](auto const& r) { return r.panel_1; });
  check("", 0.7,
        [](auto const& r) { return 0.3 * r.draft + 1.5 * r.panel_0 + 2 * r.answer - 0.5 * r.panel_1; });
}

TEST_CASE("a node's rejected gradient is softened, whichever slot the node has", "[loss]") {
  auto const pairs = some_pairs();
  auto const gradients = [&](options_type const& options) {
    auto policy = some_models(1);
    auto reference = some_models(2);
    double_loss<interleaved_system>(policy, reference, {}, options).accumulate(visits_of(pairs));
    std::vector<std::vector<double>> all;
    policy.for_each(
        [&](auto, auto& model) { all.push_back(model.parameters().begin()->gradient.value.to_host()); });
    return all;  // of drafts, panels and answers
  };
  auto options = some_options();
  auto const full = gradients(options);
  options.rejected_gradient.at<answer>() = 0;
  auto const soft = gradients(options);
  CHECK(soft[0] == full[0]);
  CHECK(soft[1] == full[1]);
  CHECK(soft[2] != full[2]);
}

TEST_CASE("two equal scores are no right answer", "[loss]") {
  auto policy = some_models(1);
  auto reference = policy;
  double_loss<interleaved_system> loss(policy, reference, {}, {});
  auto const pairs = some_pairs();
  auto const metrics = sysdpo::metrics_of<interleaved_system>(loss.score(visits_of(pairs)), loss.options());
  CHECK(metrics.at("rewards/accuracies") == 0);
  CHECK(metrics.at("node/answer/rewards/accuracies") == 0);
}

TEST_CASE("the node that breaks is named, whichever slot it has", "[loss]") {
  auto reference = some_models(2);
  auto const pairs = some_pairs();
  auto policy = some_models(1);
  double_loss<interleaved_system> loss(policy, reference, {}, {});
  CHECK(sysdpo::first_unsound_node<interleaved_system>(loss.score(visits_of(pairs))).empty());
  auto& logits = policy.get<answer_table>().parameters().begin()->value;
  for (sysdpo::index_t i = 0; i < logits.size(); ++i) logits.data()[i] = std::nan("");
  CHECK(sysdpo::first_unsound_node<interleaved_system>(loss.score(visits_of(pairs))) == "answer");
}
