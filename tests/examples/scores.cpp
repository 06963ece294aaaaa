#include "../../examples/progression/scores.hpp"

#include <array>
#include <cmath>
#include <vector>

#include "support/catch.hpp"

using namespace progression;

namespace {

double q_of(std::vector<float> const& readings, bool increasing = true) {
  return score_sequence(readings, increasing).q;
}

}  // namespace

TEST_CASE("The preference score agrees with its closed form") {
  CHECK(q_of({0.0F, 0.5F, 1.0F}) == Approx(1.0));
  CHECK(q_of({0.25F, 0.5F, 0.75F}) == Approx(0.5));
  CHECK(q_of({0.0F, 0.25F, 1.0F}) == Approx(0.5));  // in order but uneven: 1 − |0 − 0.5 + 1|
  CHECK(q_of({0.4F, 0.4F, 0.4F}) == Approx(0.0));
  CHECK(q_of({0.0F, 0.2F, 0.5F, 1.0F}) == Approx(1.0 - 0.1 - 0.2));
  CHECK(q_of({1.0F, 0.5F, 0.0F}) == Approx(-1.0));
}

TEST_CASE("A decreasing prompt counts one minus the reading") {
  CHECK(q_of({1.0F, 0.5F, 0.0F}, false) == Approx(1.0));
  CHECK(score_sequence(std::array{0.9F, 0.5F, 0.2F}, false).ordered);
  CHECK_FALSE(score_sequence(std::array{0.9F, 0.5F, 0.2F}, true).ordered);
}

TEST_CASE("Readings are clamped before order is judged") {
  CHECK(q_of({-3.0F, 0.5F, 7.0F}) == Approx(1.0));
  CHECK_FALSE(score_sequence(std::array{0.5F, 1.1F, 1.3F}, true).ordered);
  CHECK_FALSE(score_sequence(std::array{0.2F, 0.2F, 0.9F}, true).ordered);
}

TEST_CASE("The clearest pairs are those farthest apart, in their order") {
  std::vector<double> const gaps{0.2, 1.5, 0.7, 1.5, 0.1};
  using places = std::vector<std::size_t>;
  CHECK(clearest(gaps, 1) == places{0, 1, 2, 3, 4});
  CHECK(clearest(gaps, 0.4) == places{1, 3});
  CHECK(clearest(gaps, 0.5) == places{1, 2, 3});
  CHECK(clearest(gaps, 0.1) == places{1});
  CHECK(clearest(gaps, 0).empty());
  CHECK(clearest({}, 0.5).empty());
}

TEST_CASE("No three readings score below the worst score") {
  double least = 1.0;
  for (int i = 0; i <= 10; ++i)
    for (int j = 0; j <= 10; ++j)
      for (int k = 0; k <= 10; ++k) {
        auto const at = [](int n) { return static_cast<float>(n) / 10.0F; };
        least = std::min(least, q_of({at(i), at(j), at(k)}));
      }
  CHECK(least == worst_score.q);
}

TEST_CASE("Sequences that cannot be scored are refused") {
  CHECK_THROWS_AS(q_of({0.5F}), sysdpo::error);
  CHECK_THROWS_AS(q_of({0.5F, std::nanf(""), 1.0F}), sysdpo::error);
}

TEST_CASE("A row's means and standard errors are over seeds") {
  score_table const table{
      {{1.0, true}, {0.0, false}}, {{0.5, true}, {0.5, true}}, {{0.0, false}, {-0.5, false}}};
  row_summary const row = summarize(table);
  CHECK(row.q == Approx(0.25));                             // seeds: 0.5, 0.5, −0.25
  CHECK(row.q_se == Approx(std::sqrt(0.375 / 2.0 / 3.0)));  // deviations 0.25, 0.25, −0.5
  CHECK(row.order == Approx(0.5));                          // seeds: 0.5, 1, 0
  CHECK(row.order_se == Approx(std::sqrt(0.5 / 2.0 / 3.0)));
  CHECK(row.seeds == 3);
  CHECK(row.prompts == 2);
  CHECK(std::isnan(summarize({{{1.0, true}}}).q_se));
  CHECK_THROWS_AS(summarize({}), sysdpo::error);
  CHECK_THROWS_AS(summarize({{{1.0, true}}, {}}), sysdpo::error);
}

TEST_CASE("A constant lead has no error, however much the prompts differ") {
  score_table theirs(3), ours(3);
  random_stream random(1);
  for (std::size_t s = 0; s < 3; ++s)
    for (int p = 0; p < 20; ++p) {
      double const q = random.uniform(-1.0F, 0.5F);
      theirs[s].push_back({q, false});
      ours[s].push_back({q + 0.25, true});
    }
  lead_summary const lead = paired_lead(ours, theirs);
  CHECK(lead.q == Approx(0.25));
  CHECK(lead.q_se == Approx(0.0).margin(1e-12));
  CHECK(lead.order == 1.0);
  CHECK(lead.order_se == 0.0);
}

TEST_CASE("With one seed the bootstrap's error is the standard error over prompts") {
  score_table theirs(1), ours(1);
  random_stream random(2);
  std::vector<double> gaps;
  for (int p = 0; p < 400; ++p) {
    gaps.push_back(random.uniform());
    theirs[0].push_back({0.0, false});
    ours[0].push_back({gaps.back(), random.chance(0.3F)});
  }
  lead_summary const lead = paired_lead(ours, theirs);
  CHECK(lead.q_se == Approx(mean_and_error(gaps).se).epsilon(0.1));
  CHECK(lead.order_se == Approx(std::sqrt(lead.order * (1.0 - lead.order) / 400.0)).epsilon(0.1));
}

TEST_CASE("Seeds that disagree widen the bootstrap's error beyond that of the prompts") {
  score_table const theirs(4, std::vector<sequence_score>(100));
  score_table ours = theirs;
  for (std::size_t s = 0; s < 4; ++s)
    for (auto& score : ours[s]) score.q = s < 2 ? 1.0 : 0.0;
  CHECK(paired_lead(ours, theirs).q_se == Approx(std::sqrt(1.0 / 12)).epsilon(0.1));  // s / √n of four seeds
  CHECK(paired_lead(ours, theirs).q_se == paired_lead(ours, theirs).q_se);
  CHECK_THROWS_AS(paired_lead(ours, score_table(3, std::vector<sequence_score>(100))), sysdpo::error);
}

TEST_CASE("Rank correlation and determination agree with worked examples") {
  std::vector<float> const x{1, 2, 3, 4, 5};
  CHECK(spearman(x, std::vector<float>{1, 8, 27, 64, 125}) == Approx(1.0));
  CHECK(spearman(x, std::vector<float>{5, 4, 3, 2, 1}) == Approx(-1.0));
  CHECK(spearman(x, std::vector<float>{2, 1, 4, 3, 5}) == Approx(0.8));  // 1 − 6·4 / (5·24)
  CHECK(ranks(std::vector<float>{3, 1, 3, 2}) == std::vector<double>{3.5, 1, 3.5, 2});
  CHECK(std::isnan(spearman(x, std::vector<float>(5, 1.0F))));
  CHECK(r_squared(x, x) == 1.0);
  CHECK(r_squared(x, std::vector<float>(5, 3.0F)) == Approx(0.0));
  CHECK(r_squared(x, std::vector<float>{1, 2, 3, 4, 7}) == Approx(1.0 - 4.0 / 10.0));
}
