// A system of one's own: a baker picks a recipe, then how sweet to make it. Guests compare finished cakes.
#include <sysdpo.hpp>

struct recipe {
  static constexpr auto name = "recipe";
};
struct sugar {
  static constexpr auto name = "sugar";
};

/// A policy of one's own: a number, normal with deviation 1 around a mean that a table has for each parent.
struct gaussian {
  using value = sysdpo::scalar;
  using model = sysdpo::table<sugar>;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;

  /// log p(value | parent) of each row, but for a constant: −(value − mean)² / 2.
  template <class Backend, class T>
  static auto log_prob(sysdpo::tape<Backend, T>& tape, auto& table, auto const&, auto rows) {
    std::vector<std::int32_t> parents;
    std::vector<T> values, factors(rows.size(), T(-0.5));
    for (auto const& row : rows) parents.push_back(*std::get<0>(row.parents));
    for (auto const& row : rows) values.push_back(static_cast<T>(*row.value));
    auto const n = std::ssize(rows);
    auto const chosen = sysdpo::tensor<Backend, std::int32_t>::from_host({n}, parents);
    auto const observed = sysdpo::tensor<Backend, T>::from_host({n, 1}, values);
    auto const factor = sysdpo::tensor<Backend, T>::from_host({n}, factors);
    return denoising_loss(tape, embedding(tape, table.logits(tape), chosen), observed, factor,
                          sysdpo::reduction::sum);
  }
};

using recipes = sysdpo::tabular<sysdpo::table<recipe>, sysdpo::category<2>>;
using bakery = sysdpo::system<sysdpo::node<recipe, recipes, sysdpo::from<>>,
                              sysdpo::node<sugar, gaussian, sysdpo::from<recipe>>>;

int main() {
  sysdpo::generator random(1);
  std::vector<sysdpo::preference<bakery>> pairs(4000);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    double liking = 0;  // of the chosen cake, less that of the rejected one
    for (auto* cake : {&pairs[i].rejected, &pairs[i].chosen}) {
      get<recipe>(*cake) = static_cast<int>(random.uniform_index(2));
      get<sugar>(*cake) = random.normal();
      liking = (get<recipe>(*cake) == 0 ? get<sugar>(*cake) : 1 - get<sugar>(*cake)) - liking;
    }
    if (random.uniform() > sysdpo::sigmoid(liking)) std::swap(pairs[i].chosen, pairs[i].rejected);
    pairs[i].id = i;
  }
  sysdpo::models<bakery, sysdpo::cpu> policy({{.categories = 2}, {.contexts = 2, .categories = 1}});
  auto reference = policy;
  sysdpo::trainer_options<bakery> options{.loss = {.beta = 1}, .steps = 400, .pairs_per_batch = 64};
  options.rates = sysdpo::model_numbers<bakery>::all(0.03);
  options.schedule.shape = sysdpo::decay::cosine;
  sysdpo::trainer<bakery, sysdpo::cpu>(policy, reference, {}, pairs, options).run();
  auto const share = policy.get<sysdpo::table<recipe>>().probabilities();
  auto const means = policy.get<sysdpo::table<sugar>>().parameters().find("logits")->value.to_host();
  fmt::print("recipe 1 in {:.2f} of all cakes, in theory 0.73\n", share[1]);
  fmt::print("sugar {:.2f} and {:.2f}, in theory 1 and -1\n", means[0], means[1]);
}
