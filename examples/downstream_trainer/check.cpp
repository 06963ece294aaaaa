// Is it right? sysdpo's gradients against those of PyTorch's autograd through the same loss, written here
// once more with torch alone; then sysdpo's audit of both policies. Exits with 1 if either finds something.
#include <exception>

#include "ferry.hpp"

namespace {

constexpr double beta = 0.3;
constexpr double tolerance = 1e-5;

template <class T>
using crew = sysdpo::models<ferry, sysdpo::cpu, sysdpo::precision<T>>;

/// Voyages as they come, of all kinds, with weights of all kinds.
std::vector<ferry_pair> random_pairs(std::size_t count) {
  sysdpo::generator random(7);
  std::vector<ferry_pair> pairs(count);
  for (std::size_t i = 0; i < count; ++i) {
    pairs[i].id = 100 + i;
    pairs[i].weight = 0.5 + random.uniform_double();
    point::type const common{2 * random.normal(), 2 * random.normal()};
    for (auto* sailed : {&pairs[i].chosen, &pairs[i].rejected}) {
      get<goal>(*sailed) = common;
      get<landing>(*sailed) = {2 * random.normal(), 2 * random.normal()};
      for (auto& move : get<route>(*sailed)) move = static_cast<int>(random.uniform_index(move_count));
    }
  }
  return pairs;
}

/// Both log-ratios of a side of the pairs, added: log p(route | goal) − factor·error(landing | route), of the
/// policy less that of the reference.
template <class T>
torch::Tensor score(crew<T>& policy, crew<T>& reference, std::vector<ferry_pair> const& pairs,
                    voyage ferry_pair::*side) {
  auto const goals = matrix<T>(pairs, [&](auto const& pair) -> auto const& { return get<goal>(pair.*side); });
  auto const routes =
      matrix<std::int64_t>(pairs, [&](auto const& pair) -> auto const& { return get<route>(pair.*side); });
  auto const landings =
      matrix<T>(pairs, [&](auto const& pair) -> auto const& { return get<landing>(pair.*side); });

  steering::options const settings;
  std::vector<sysdpo::scored_row<point, moves>> rows;  // for their random numbers
  for (auto const& pair : pairs) rows.push_back({.key = {.pair = pair.id, .node = ferry::index_of<landing>}});
  auto const times = uniforms<T>(rows, settings.draws);
  auto const noise = normals<T>(rows, 2 * settings.draws);

  auto const of = [&](crew<T>& models) {
    auto& navigator = models.template get<plotting::model>().network();
    auto& pilot = models.template get<steering::model>().network();
    return navigator.log_prob(goals, routes) - settings.factor * pilot.error(landings, routes, times, noise);
  };
  return of(policy) - of(reference).detach();
}

/// The gradients of one batch by sysdpo and by torch: prints by how much they differ at most, as a share of
/// the largest number in a weight's gradient. \return whether that is within the tolerance.
template <class T>
bool gradients_agree(char const* what, sysdpo::preference_options<ferry> options) {
  crew<T> policy({{}, {}}, 1), reference({{}, {}}, 2);
  auto const pairs = random_pairs(32);

  options.beta = beta;
  std::vector<sysdpo::pair_visit<ferry>> batch;
  for (auto const& pair : pairs) batch.push_back({.pair = &pair});
  sysdpo::preference_loss<ferry, sysdpo::cpu, sysdpo::precision<T>> loss(policy, reference, {}, options);
  auto const metrics = sysdpo::metrics_of<ferry>(loss.accumulate(batch), options);

  auto const margin = score<T>(policy, reference, pairs, &ferry_pair::chosen) -
                      score<T>(policy, reference, pairs, &ferry_pair::rejected);
  auto const weights = matrix<T>(pairs, [](auto const& pair) { return std::array{pair.weight}; }).squeeze(1);
  auto const torch_loss = -(weights * torch::log_sigmoid(beta * margin)).mean();
  torch_loss.backward();

  std::vector differences{std::abs(metrics.at("loss") - torch_loss.template item<double>())};
  policy.for_each([&](auto, auto& model) {
    for (auto const& item : model.network().named_parameters()) {
      auto const& [value, filled] = model.parameters().find(item.key())->gradient;
      auto const& expected = item.value().grad();
      if (!filled || !expected.defined()) throw std::runtime_error(item.key() + " was given no gradient");
      auto const difference = seen_by_torch(value.data(), value.extents()) - expected;
      auto const share = difference.abs().max() / expected.abs().max();
      differences.push_back(share.template item<double>());
    }
  });
  auto const agree =
      std::all_of(differences.begin(), differences.end(), [](double x) { return x <= tolerance; });
  auto const largest = *std::max_element(differences.begin(), differences.end());
  fmt::print("{:<6} gradients, {}: differ from autograd's by at most {:.1e}\n", agree ? "ok" : "WRONG", what,
             largest);
  return agree;
}

bool audit_finds_nothing() {
  auto const report = sysdpo::audit(crew<double>({{.hidden = 8}, {.hidden = 8}}, 1), {}, random_pairs(6));
  fmt::print("{}", report.text());
  return report.sound();
}

}  // namespace

int main() try {
  torch::set_num_threads(1);
  bool sound = gradients_agree<double>("double", {});
  sound &= gradients_agree<float>("float", {});
  sound &=
      gradients_agree<float>("float, two passes, 5 rows at a time", {.two_pass = true, .rows_per_piece = 5});
  sound &= audit_finds_nothing();
  return sound ? 0 : 1;
} catch (std::exception const& problem) {
  fmt::print(stderr, "check: {}\n", problem.what());
  return 1;
}
