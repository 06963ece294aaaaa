#include <sysdpo.hpp>

struct guest {
  static constexpr auto name = "guest";
};
struct dish {
  static constexpr auto name = "dish";
};
struct drink {
  static constexpr auto name = "drink";
};

using cook = sysdpo::tabular<sysdpo::table<dish>, sysdpo::category<3>>;
using waiter = sysdpo::tabular<sysdpo::table<drink>, sysdpo::category<3>>;
using restaurant = sysdpo::system<                     // parents first
    sysdpo::source<guest, sysdpo::category<2>>,        // 0 is a child, 1 a grown-up
    sysdpo::node<dish, cook, sysdpo::from<guest>>,     // the cook sees the guest
    sysdpo::node<drink, waiter, sysdpo::from<dish>>>;  // the waiter sees the dish alone

using staff = sysdpo::models<restaurant, sysdpo::cpu>;
using meal = sysdpo::assignment<restaurant>;

std::vector<meal> serve(staff& people, std::uint64_t evening) {
  std::vector<sysdpo::generation_request<restaurant>> requests(2000);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].id = i;
    get<guest>(requests[i].given) = static_cast<int>(i % 2);
  }
  return sysdpo::generate<restaurant>(people, {}, std::span(std::as_const(requests)), {.seed = evening})
      .values;
}

double pleasure(meal const& served) {
  bool const dish_suits = get<dish>(served) == get<guest>(served);
  bool const drink_suits = get<drink>(served) == get<guest>(served);
  return dish_suits && drink_suits ? 1 : 0;
}

double mean_pleasure(std::vector<meal> const& meals) {
  double sum = 0;
  for (auto const& served : meals) sum += pleasure(served);
  return sum / static_cast<double>(meals.size());
}

std::vector<sysdpo::preference<restaurant>> compare(std::vector<meal> const& a, std::vector<meal> const& b) {
  std::vector<sysdpo::preference<restaurant>> pairs;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (pleasure(a[i]) == pleasure(b[i])) continue;
    bool const first = pleasure(a[i]) > pleasure(b[i]);
    pairs.push_back({.id = i, .chosen = first ? a[i] : b[i], .rejected = first ? b[i] : a[i]});
  }
  return pairs;
}

int main() {
  staff people({{.contexts = 2, .categories = 3}, {.contexts = 3, .categories = 3}});
  auto const before = serve(people, 1);
  sysdpo::write_preferences<restaurant>("meals.jsonl", compare(before, serve(people, 2)));

  auto const pairs = sysdpo::read_preferences<restaurant>("meals.jsonl");
  auto reference = people;
  sysdpo::trainer_options<restaurant> options{.loss = {.beta = 0.1}, .steps = 200, .pairs_per_batch = 64};
  options.rates = sysdpo::model_numbers<restaurant>::all(0.05);
  sysdpo::trainer<restaurant, sysdpo::cpu> training(people, reference, {}, pairs, options);
  sysdpo::write_metrics metrics("metrics.jsonl", training.step());
  sysdpo::write_tensorboard events("runs/restaurant", training.step());
  training.run({&metrics, &events});

  sysdpo::save_system("aligned", people);
  staff tomorrow(sysdpo::read_configs<restaurant>("aligned"));
  sysdpo::load_system("aligned", tomorrow);
  fmt::print("{} pairs; guests pleased before {:.2f}, after {:.2f}\n", pairs.size(), mean_pleasure(before),
             mean_pleasure(serve(tomorrow, 3)));
}
