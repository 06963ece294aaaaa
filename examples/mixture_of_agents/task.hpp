// Questions that no agent can answer alone, and what the agents believe before they are aligned.
//
// A question is a kind and three distinct digits, and an answer says what it is to: "reverse 3 7 1" is
// answered by "reverse 1 7 3", "rotate 3 7 1" by "rotate 7 1 3", "count 3 7 1" by "count 4 8 2". Agent k
// takes every question for one of kind k.
#pragma once

#include <array>
#include <string>
#include <sysdpo.hpp>
#include <vector>

#include "system.hpp"

namespace mixture {

using tokens = sysdpo::text::type;

inline constexpr std::array kinds{"reverse", "rotate", "count"};
inline constexpr std::int32_t first_digit = 3;  // behind the begin, separator and end of autoregressive.hpp
inline constexpr std::int32_t first_kind = first_digit + 10;
inline constexpr std::int32_t vocabulary_size = first_kind + 3;

inline int kind_of(tokens const& question) { return question[0] - first_kind; }

/// The answer to the question, were it of this kind.
inline tokens solve(int kind, tokens const& question) {
  auto const a = question[1], b = question[2], c = question[3];
  auto const next = [](std::int32_t digit) { return first_digit + (digit - first_digit + 1) % 10; };
  if (kind == 0) return {first_kind, c, b, a};
  if (kind == 1) return {first_kind + 1, b, c, a};
  return {first_kind + 2, next(a), next(b), next(c)};
}

inline bool is_right(tokens const& question, tokens const& given) {
  return given == solve(kind_of(question), question);
}

inline std::string text_of(tokens const& shown) {
  std::string text;
  for (auto const token : shown)
    text += token < first_kind ? fmt::format("{} ", token - first_digit)
                               : fmt::format("{} ", kinds.at(static_cast<std::size_t>(token - first_kind)));
  return text.substr(0, text.size() - 1);
}

struct question_set {
  std::vector<tokens> training, held_out;  ///< no three digits are in both
};

inline question_set all_questions() {
  std::vector<tokens> triples;
  for (std::int32_t i = 0; i < 1000; ++i)
    if (std::int32_t const a = i / 100, b = i / 10 % 10, c = i % 10; a != b && b != c && a != c)
      triples.push_back({first_digit + a, first_digit + b, first_digit + c});
  sysdpo::generator(1).shuffle(std::span(triples));
  question_set questions;
  for (std::size_t i = 0; i < triples.size(); ++i)
    for (std::int32_t kind = 0; kind < 3; ++kind)
      (i < 120 ? questions.held_out : questions.training)
          .push_back({first_kind + kind, triples[i][0], triples[i][1], triples[i][2]});
  sysdpo::generator(2).shuffle(std::span(questions.training));
  return questions;
}

/// How the unaligned system thinks: what it is pre-trained on. Its answer is right about once in eight.
class habits {
 public:
  explicit habits(std::uint64_t seed) : random_(seed) {}

  /// A value for every node, for any of the questions.
  sysdpo::assignment<mixture_of_agents> operator()(std::vector<tokens> const& questions) {
    sysdpo::assignment<mixture_of_agents> values;
    auto const& asked = sysdpo::get<question>(values) = questions[random_.uniform_index(questions.size())];
    // Agent k solves by its own kind, half the time with a mistake.
    std::array const drafts{slip(solve(0, asked), 0.5F), slip(solve(1, asked), 0.5F),
                            slip(solve(2, asked), 0.5F)};
    sysdpo::get<draft<0>>(values) = drafts[0];
    sysdpo::get<draft<1>>(values) = drafts[1];
    sysdpo::get<draft<2>>(values) = drafts[2];
    // Half the time it keeps its own draft, else it trusts one of the others.
    std::array const revisions{drafts[favouring(0)], drafts[favouring(1)], drafts[favouring(2)]};
    sysdpo::get<revision<0>>(values) = revisions[0];
    sysdpo::get<revision<1>>(values) = revisions[1];
    sysdpo::get<revision<2>>(values) = revisions[2];
    // The aggregator passes any of the revisions on, one in five with a mistake.
    sysdpo::get<answer>(values) = slip(revisions[random_.uniform_index(3)], 0.2F);
    return values;
  }

 private:
  /// `own` half the time, else one of the other two.
  std::size_t favouring(std::size_t own) {
    return random_.uniform() < 0.5F ? own : (own + 1 + random_.uniform_index(2)) % 3;
  }

  /// A mistake writes the second digit once more in the place of the third.
  tokens slip(tokens given, float probability) {
    if (random_.uniform() < probability) given[3] = given[2];
    return given;
  }

  sysdpo::generator random_;
};

}  // namespace mixture
