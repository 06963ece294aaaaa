#include "sysdpo/train/generate.hpp"

#include "support/catch.hpp"
#include "support/tabular_systems.hpp"

using namespace test;
using Catch::Contains;

namespace {

template <int K>
struct panel {
  static constexpr auto name = "panel";
  static constexpr int index = K;
};
struct total {
  static constexpr auto name = "total";
};
struct sum {
  double operator()(int a, int b) const { return a + b; }
};

/// question → draft → two panels that share one table → their sum, by a tool.
template <int K>
using panel_node = sysdpo::node<panel<K>, sysdpo::tabular<answer_table, three>, sysdpo::from<draft>>;
using fork_system = sysdpo::system<
    sysdpo::source<question, sysdpo::category<2>>, draft_node, panel_node<0>, panel_node<1>,
    sysdpo::node<total, sysdpo::deterministic<sum, sysdpo::scalar>, sysdpo::from<panel<0>, panel<1>>>>;

double_models<fork_system> some_models() {
  return double_models<fork_system>({{.contexts = 2, .categories = 3, .initial_deviation = 1},
                                     {.contexts = 3, .categories = 3, .initial_deviation = 1}},
                                    3);
}

std::vector<sysdpo::generation_request<fork_system>> requests_for(int count, int category) {
  std::vector<sysdpo::generation_request<fork_system>> requests(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].id = 1000 + i;
    sysdpo::get<question>(requests[i].given) = category;
  }
  return requests;
}

}  // namespace

TEST_CASE("drawn systems follow the joint distribution", "[generate]") {
  auto models = some_models();
  auto const drafts = models.get<draft_table>().probabilities();
  auto const panels = models.get<answer_table>().probabilities();
  constexpr int count = 20000;
  for (int category = 0; category < 2; ++category) {
    auto const requests = requests_for(count, category);
    auto const result = sysdpo::generate<fork_system>(models, {}, std::span(requests), {.seed = 5});
    std::array<double, 27> seen{};
    for (auto const& values : result.values) {
      auto const y = sysdpo::get<draft>(values);
      auto const a = sysdpo::get<panel<0>>(values);
      auto const b = sysdpo::get<panel<1>>(values);
      ++seen[static_cast<std::size_t>(9 * y + 3 * a + b)];
      REQUIRE(sysdpo::get<question>(values) == category);
      REQUIRE(sysdpo::get<total>(values) == a + b);
    }
    double statistic = 0;
    for (std::size_t y = 0; y < 3; ++y)
      for (std::size_t a = 0; a < 3; ++a)
        for (std::size_t b = 0; b < 3; ++b) {
          auto const expected = count * drafts[static_cast<std::size_t>(category) * 3 + y] *
                                panels[3 * y + a] * panels[3 * y + b];
          auto const off = seen[9 * y + 3 * a + b] - expected;
          statistic += off * off / expected;
        }
    CHECK(statistic < 60);  // 26 degrees of freedom: exceeded with probability 2e-4
    CHECK(result.failure_rate() == 0);
  }
}

TEST_CASE("a request's values do not depend on the others or on the batches", "[generate]") {
  auto models = some_models();
  auto const requests = requests_for(50, 1);
  auto const whole = sysdpo::generate<fork_system>(models, {}, std::span(requests), {.seed = 5});
  auto const cut =
      sysdpo::generate<fork_system>(models, {}, std::span(requests), {.seed = 5, .requests_at_once = 7});
  CHECK(whole.values == cut.values);
  auto const alone =
      sysdpo::generate<fork_system>(models, {}, std::span(requests).subspan(31, 1), {.seed = 5});
  CHECK(alone.values[0] == whole.values[31]);
  CHECK(sysdpo::generate<fork_system>(models, {}, std::span(requests), {.seed = 6}).values != whole.values);
  CHECK(sysdpo::generate<fork_system>(models, {}, std::span(requests), {.seed = 5, .visit = 1}).values !=
        whole.values);
}

TEST_CASE("values that are kept are not drawn, and what follows is drawn from them", "[generate]") {
  auto models = some_models();
  auto requests = requests_for(50, 0);
  for (auto& request : requests) sysdpo::get<draft>(request.given) = 2;
  sysdpo::generation_options<fork_system> options{.seed = 5};
  options.keep.at<draft>() = true;
  auto const panels = models.get<answer_table>().parameters().find("logits");
  for (int category = 0; category < 3; ++category)
    panels->value.data()[6 + category] = category == 1 ? 60 : 0;
  for (auto const& values : sysdpo::generate<fork_system>(models, {}, std::span(requests), options).values) {
    CHECK(sysdpo::get<draft>(values) == 2);
    CHECK(sysdpo::get<panel<0>>(values) == 1);
    CHECK(sysdpo::get<total>(values) == 2);
  }
}

namespace {

/// Gives up on odd ids.
struct unreliable {
  using value = three;
  using model = sysdpo::no_model;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;
  template <class... Parents>
  static sysdpo::drawn<three> sample(auto const&, auto const&,
                                     std::span<sysdpo::drawn_request<Parents...> const> requests) {
    sysdpo::drawn<three> result;
    for (auto const& request : requests) {
      result.values.push_back(request.key.pair % 2 == 0 ? 2 : 0);
      result.valid.push_back(request.key.pair % 2 == 0);
    }
    result.retries = 4;
    return result;
  }
};

struct counting {
  static inline int calls = 0;
  double operator()(int value) const {
    ++calls;
    return value;
  }
};

using failing_system =
    sysdpo::system<sysdpo::source<question, sysdpo::category<2>>,
                   sysdpo::node<draft, unreliable, sysdpo::from<question>>,
                   sysdpo::node<total, sysdpo::deterministic<counting, sysdpo::scalar>, sysdpo::from<draft>>>;

/// Forgets a value.
struct forgetful : unreliable {
  template <class... Parents>
  static sysdpo::drawn<three> sample(auto const&, auto const&,
                                     std::span<sysdpo::drawn_request<Parents...> const>) {
    return {};
  }
};
using forgetful_system = sysdpo::system<sysdpo::source<question, sysdpo::category<2>>,
                                        sysdpo::node<draft, forgetful, sysdpo::from<question>>>;

}  // namespace

TEST_CASE("a node that gives up invalidates its request, and nothing behind it is drawn", "[generate]") {
  double_models<failing_system> models({});
  std::vector<sysdpo::generation_request<failing_system>> requests(10);
  for (std::size_t i = 0; i < 10; ++i) requests[i].id = i;
  counting::calls = 0;
  auto const result = sysdpo::generate<failing_system>(models, {}, std::span(std::as_const(requests)));
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(result.valid[i] == (i % 2 == 0));
    CHECK(sysdpo::get<total>(result.values[i]) == (i % 2 == 0 ? 2 : 0));
  }
  CHECK(counting::calls == 5);
  CHECK(result.failure_rate() == 0.5);
  CHECK(result.failures.at<draft>() == 5);
  CHECK(result.failures.at<total>() == 0);
  CHECK(result.retries.at<draft>() == 4);
}

TEST_CASE("a policy that draws too few values is named", "[generate]") {
  double_models<forgetful_system> models({});
  std::vector<sysdpo::generation_request<forgetful_system>> const requests(3);
  CHECK_THROWS_WITH(sysdpo::generate<forgetful_system>(models, {}, std::span(requests)),
                    Contains("'draft'") && Contains("0 values for 3 requests"));
}

namespace {

struct mood {
  static constexpr auto name = "mood";
};

/// Says one more than its first parent.
using successor = sysdpo::tabular<draft_table, three>;
/// One agent twice in a row, with a source behind the node that the second depends on.
using revision_system = sysdpo::system<sysdpo::source<question, three>, sysdpo::source<mood, three>,
                                       sysdpo::node<draft, successor, sysdpo::from<question, mood>>,
                                       sysdpo::node<answer, successor, sysdpo::from<draft, mood>>>;

/// Remembers what it was asked with.
struct witness {
  using value = three;
  using model = sysdpo::no_model;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;
  static inline std::vector<sysdpo::draw_key> keys;
  template <class... Parents>
  static sysdpo::drawn<three> sample(auto const&, auto const&,
                                     std::span<sysdpo::drawn_request<Parents...> const> requests) {
    for (auto const& request : requests) keys.push_back(request.key);
    return {.values = std::vector<int>(requests.size()), .valid = std::vector<bool>(requests.size(), true)};
  }
};
using witnessed_system =
    sysdpo::system<sysdpo::source<question, three>, sysdpo::node<draft, witness, sysdpo::from<question>>,
                   sysdpo::node<answer, witness, sysdpo::from<draft>>>;

}  // namespace

TEST_CASE("a node is drawn after all its parents, though they share a policy and a source comes last",
          "[generate]") {
  double_models<revision_system> models({{.contexts = 9, .categories = 3}});
  auto& logits = models.get<draft_table>().parameters().begin()->value;
  for (int first = 0; first < 3; ++first)
    for (int second = 0; second < 3; ++second) logits.data()[3 * (3 * first + second) + (first + 1) % 3] = 60;
  std::vector<sysdpo::generation_request<revision_system>> requests(3);
  for (std::size_t i = 0; i < 3; ++i) {
    requests[i].id = i;
    sysdpo::get<question>(requests[i].given) = static_cast<int>(i);
  }
  auto const drawn = sysdpo::generate<revision_system>(models, {}, std::span(std::as_const(requests)));
  for (int i = 0; i < 3; ++i) {
    CHECK(sysdpo::get<draft>(drawn.values[static_cast<std::size_t>(i)]) == (i + 1) % 3);
    CHECK(sysdpo::get<answer>(drawn.values[static_cast<std::size_t>(i)]) == (i + 2) % 3);
  }
}

TEST_CASE("draws are keyed by seed, id, node and visit, apart from the noise of training", "[generate]") {
  double_models<witnessed_system> models({});
  std::vector<sysdpo::generation_request<witnessed_system>> requests(2);
  requests[0].id = 7;
  requests[1].id = 9;
  witness::keys.clear();
  (void)sysdpo::generate<witnessed_system>(models, {}, std::span(std::as_const(requests)),
                                           {.seed = 5, .visit = 3});
  REQUIRE(witness::keys.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    auto const& key = witness::keys[i];
    CHECK(key.seed == 5);
    CHECK(key.pair == (i % 2 == 0 ? 7 : 9));
    CHECK(key.node == i / 2);
    CHECK(key.visit == 3);
    auto of_training = key;  // the first of the draws that a loss makes of this pair
    of_training.draw = 0;
    CHECK(sysdpo::philox_stream(key)[0] != sysdpo::philox_stream(of_training)[0]);
  }
}

TEST_CASE("behind a node that gives up stands nothing of what the request held", "[generate]") {
  double_models<failing_system> models({});
  std::vector<sysdpo::generation_request<failing_system>> requests(2);
  for (std::size_t i = 0; i < 2; ++i) {
    requests[i].id = i;
    sysdpo::get<draft>(requests[i].given) = 1;  // of an earlier draw
    sysdpo::get<total>(requests[i].given) = 77;
  }
  sysdpo::generation_options<failing_system> options;
  auto result = sysdpo::generate<failing_system>(models, {}, std::span(std::as_const(requests)), options);
  CHECK(sysdpo::get<total>(result.values[0]) == 2);
  CHECK(sysdpo::get<total>(result.values[1]) == 0);
  options.keep.at<total>() = true;
  result = sysdpo::generate<failing_system>(models, {}, std::span(std::as_const(requests)), options);
  CHECK(sysdpo::get<total>(result.values[1]) == 77);
}
