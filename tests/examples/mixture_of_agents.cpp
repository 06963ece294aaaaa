#include <set>

#include "mixture_of_agents/task.hpp"
#include "support/catch.hpp"

using namespace mixture;

TEST_CASE("an agent answers every question by its own kind", "[mixture_of_agents]") {
  tokens const asked{first_kind + 1, first_digit + 3, first_digit + 9, first_digit + 1};
  CHECK(text_of(asked) == "rotate 3 9 1");
  CHECK(text_of(solve(0, asked)) == "reverse 1 9 3");
  CHECK(text_of(solve(1, asked)) == "rotate 9 1 3");
  CHECK(text_of(solve(2, asked)) == "count 4 0 2");
  CHECK(is_right(asked, solve(1, asked)));
  CHECK_FALSE(is_right(asked, solve(0, asked)));
  CHECK_FALSE(is_right(asked, {}));
}

TEST_CASE("held-out questions are about other digits", "[mixture_of_agents]") {
  auto const questions = all_questions();
  CHECK(questions.held_out.size() == 360);
  CHECK(questions.training.size() == 1800);
  std::set<tokens> seen;
  for (auto const& asked : questions.training) seen.insert({asked.begin() + 1, asked.end()});
  for (auto const& asked : questions.held_out) CHECK(seen.count({asked.begin() + 1, asked.end()}) == 0);
}

TEST_CASE("the habits are right as often as their rates say", "[mixture_of_agents]") {
  auto const questions = all_questions().training;
  habits draw(1);
  double draft_right = 0, revision_right = 0, answer_right = 0;
  int const count = 20000;
  for (int i = 0; i < count; ++i) {
    auto const all = draw(questions);
    auto const& asked = sysdpo::get<question>(all);
    draft_right += is_right(asked, sysdpo::get<draft<1>>(all)) / double(count);
    revision_right += is_right(asked, sysdpo::get<revision<1>>(all)) / double(count);
    answer_right += is_right(asked, sysdpo::get<answer>(all)) / double(count);
  }
  CHECK(draft_right == Approx(1 / 3.0 * 0.5).margin(0.01));
  CHECK(revision_right == Approx(1 / 3.0 * (0.5 + 0.25 + 0.25) * 0.5).margin(0.01));
  CHECK(answer_right == Approx(1 / 3.0 * 0.5 * 0.8).margin(0.01));
}
