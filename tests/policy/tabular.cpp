#include "sysdpo/policy/tabular.hpp"

#include "support/catch.hpp"
#include "sysdpo/backend/cpu.hpp"
#include "sysdpo/model/table.hpp"

namespace {

using sysdpo::cpu;
struct weights;
using two = sysdpo::category<2>;
using three = sysdpo::category<3>;
using four = sysdpo::category<4>;
using policy = sysdpo::tabular<sysdpo::table<weights>, four>;
using model_type = sysdpo::table_model<cpu, sysdpo::precision<double>>;
using tape_type = sysdpo::tape<cpu, double>;

static_assert(policy::accepts<two, three> && policy::accepts<> && !policy::accepts<sysdpo::text>);

/// log p(value | parents) of one row.
template <class... Parents, class... Categories>
double score(model_type& model, int value, Categories const&... parents) {
  std::vector<sysdpo::scored_row<four, Parents...>> const rows{{.value = &value, .parents = {&parents...}}};
  tape_type tape(sysdpo::recording::off);
  return policy::log_prob(tape, model, {}, std::span(rows)).value().to_host()[0];
}

}  // namespace

TEST_CASE("a row of the table for every combination of parents, the first most significant", "[policy]") {
  model_type model({.contexts = 6, .categories = 4, .initial_deviation = 1}, 2);
  auto const* const logits = model.parameters().find("logits")->value.data();
  for (int a = 0; a < 2; ++a)
    for (int b = 0; b < 3; ++b) {
      auto const* const row = logits + (3 * a + b) * 4;
      double sum = 0;
      for (int k = 0; k < 4; ++k) sum += std::exp(row[k]);
      for (int value = 0; value < 4; ++value)
        CHECK(score<two, three>(model, value, a, b) == Approx(row[value] - std::log(sum)).epsilon(1e-12));
    }
  model_type lone({.contexts = 1, .categories = 4, .initial_deviation = 1}, 2);
  CHECK(std::exp(score<>(lone, 3)) == Approx(lone.probabilities()[3]).epsilon(1e-12));
}

TEST_CASE("what is no category is refused", "[policy]") {
  model_type model({.contexts = 3, .categories = 4});
  CHECK_THROWS_WITH(score<three>(model, 4, 0), Catch::Contains("category 4"));
  CHECK_THROWS_WITH(score<three>(model, -1, 0), Catch::Contains("category -1"));
  CHECK_THROWS_WITH(score<three>(model, 0, 3), Catch::Contains("categories 0 to 2"));
  // Parents of more combinations than the table has rows.
  CHECK_THROWS_AS((score<three, two>(model, 0, 2, 1)), sysdpo::error);
}

TEST_CASE("categories are drawn with the table's probabilities, each by its key", "[policy]") {
  model_type model({.contexts = 2, .categories = 4, .initial_deviation = 1}, 5);
  auto const p = model.probabilities();
  int const context = 1;
  constexpr std::size_t count = 8000;
  std::vector<sysdpo::drawn_request<two>> requests;
  for (std::uint64_t i = 0; i < count; ++i)
    requests.push_back({.parents = {&context}, .key = {.seed = 1, .pair = i}});
  auto const drawn = policy::sample(model, {}, std::span(std::as_const(requests)));
  REQUIRE(drawn.values.size() == count);
  double statistic = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    auto const expected = static_cast<double>(count) * p[4 + k];
    auto const seen = std::count(drawn.values.begin(), drawn.values.end(), static_cast<int>(k));
    statistic += std::pow(static_cast<double>(seen) - expected, 2) / expected;
  }
  CHECK(statistic < 16.3);  // 3 degrees of freedom: exceeded with probability 1e-3
  auto const one = policy::sample(model, {}, std::span(std::as_const(requests)).subspan(77, 1));
  CHECK(one.values[0] == drawn.values[77]);
}

TEST_CASE("a table that does not fit its types, or is no distribution, is not drawn from", "[policy]") {
  int const a = 2;
  int const b = 1;
  std::vector<sysdpo::drawn_request<three, two>> const requests{{.parents = {&a, &b}, .key = {}}};
  auto const draw = [&](auto&& model) { return policy::sample(model, {}, std::span(requests)).values[0]; };
  CHECK_NOTHROW(draw(model_type({.contexts = 6, .categories = 4})));
  CHECK_THROWS_WITH(draw(model_type({.contexts = 3, .categories = 4})),
                    Catch::Contains("context 5") && Catch::Contains("3 contexts"));
  model_type narrow({.contexts = 6, .categories = 2});
  CHECK_THROWS_WITH(draw(narrow), Catch::Contains("2 categories") && Catch::Contains("type has 4"));
  model_type wide({.contexts = 6, .categories = 8});
  CHECK_THROWS_WITH(draw(wide), Catch::Contains("8 categories"));
  CHECK_THROWS_WITH((score<three, two>(wide, 1, a, b)), Catch::Contains("8 categories"));
  model_type broken({.contexts = 6, .categories = 4});
  broken.parameters().find("logits")->value.data()[20] = std::nan("");
  CHECK_THROWS_WITH(draw(broken), Catch::Contains("no distribution"));
}
