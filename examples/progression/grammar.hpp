// The world's language, word by word: a vocabulary, prompts that ask for a progression, captions that name
// one level of one attribute at one place. `<bos>` opens a sequence, `<sep>` parts the captions of a list,
// `<eos>` ends it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sysdpo/core/error.hpp>

#include "attributes.hpp"
#include "random.hpp"

namespace progression {

/// Words by their index in `vocabulary()`.
using words = std::vector<std::int32_t>;

namespace detail {

/// One way of saying which way the level goes; "{}" stands for the attribute's noun.
struct change {
  std::string_view increasing, decreasing;
};

/// How prompts begin and end. Some phrasings are kept from training for good; they are made of words that
/// training shows in others, so that what they mean can be told.
struct phrasings {
  std::span<std::string_view const> openings;
  std::span<change const> changes;
};

inline constexpr std::array<std::string_view, 20> known_openings{
    "i want to see a series of images of",
    "show me three pictures of",
    "please draw a sequence of images of",
    "paint three views of",
    "generate a series of views of",
    "make three pictures of",
    "give me a sequence of pictures of",
    "could you sketch three scenes of",
    "create a set of illustrations of",
    "i would like a row of photographs of",
    "produce a short film in three frames of",
    "let me watch three stages of",
    "render a trio of panels of",
    "can we have three paintings of",
    "prepare a small gallery of drawings of",
    "imagine a story in three shots of",
    "depict three moments at",
    "compose an album of snapshots of",
    "present three glimpses of",
    "i need three impressions of",
};
inline constexpr std::array<change, 16> known_changes{{
    {"as the {} increases", "as the {} decreases"},
    {"as the {} grows", "as the {} fades"},
    {"while the {} rises", "while the {} falls"},
    {"with increasing {}", "with decreasing {}"},
    {"with growing {}", "with fading {}"},
    {"with more and more {}", "with less and less {}"},
    {"where the {} gets stronger", "where the {} gets weaker"},
    {"as the {} keeps building up", "as the {} keeps dying down"},
    {"whose {} becomes greater", "whose {} becomes smaller"},
    {"while the {} climbs from low to high", "while the {} sinks from high to low"},
    {"with ever more {}", "with ever less {}"},
    {"so that the {} expands", "so that the {} shrinks"},
    {"until the {} is greatest", "until the {} is gone"},
    {"and let the {} intensify", "and let the {} vanish"},
    {"during which the {} doubles", "during which the {} halves"},
    {"once the {} starts to spread", "once the {} starts to wane"},
}};

inline constexpr std::array<std::string_view, 4> held_out_openings{
    "i want three paintings of",
    "please show me a row of views of",
    "could you make a series of drawings of",
    "let me see three frames of",
};
inline constexpr std::array<change, 5> held_out_changes{{
    {"while the {} increases", "while the {} decreases"},
    {"where the {} grows", "where the {} fades"},
    {"as the {} gets stronger", "as the {} gets weaker"},
    {"so that the {} rises", "so that the {} falls"},
    {"with ever growing {}", "with ever fading {}"},
}};

inline constexpr phrasings known{known_openings, known_changes};
inline constexpr phrasings held_out{held_out_openings, held_out_changes};

/// What a place may be called besides; it does not show.
inline constexpr std::array<std::string_view, 12> adjectives{"quiet",  "wide",    "remote", "lonely",
                                                             "wild",   "calm",    "lovely", "hidden",
                                                             "famous", "distant", "broad",  "silent"};

template <class Visit>
void each_word(std::string_view text, Visit&& visit) {
  for (std::size_t at = text.find_first_not_of(' '); at != std::string_view::npos;
       at = text.find_first_not_of(' ', at)) {
    std::size_t const end = std::min(text.find(' ', at), text.size());
    visit(text.substr(at, end - at));
    at = end;
  }
}

struct lexicon {
  std::vector<std::string> list;
  std::map<std::string, std::int32_t, std::less<>> index;

  lexicon() {
    add("<bos> <sep> <eos> a with");
    for (auto const& levels : level_words)
      for (auto const word : levels) add(word);
    for (auto const& p : places)
      for (auto const noun : p.nouns) add(noun);
    for (auto const& a : attributes)
      for (auto const noun : a.nouns) add(noun);
    for (auto const adjective : adjectives) add(adjective);
    for (auto const& [openings, changes] : {known, held_out}) {
      for (auto const opening : openings) add(opening);
      for (auto const& change : changes) add(change.increasing), add(change.decreasing);
    }
  }

 private:
  void add(std::string_view text) {
    each_word(text, [this](std::string_view word) {
      if (word != "{}" && index.emplace(word, static_cast<std::int32_t>(list.size())).second)
        list.emplace_back(word);
    });
  }
};

inline lexicon const& the_lexicon() {
  static lexicon const instance;
  return instance;
}

/// Which of `choices` the word is, or nothing.
template <class Choices>
std::optional<int> find_noun(Choices const& choices, std::string_view word) {
  for (std::size_t i = 0; i < choices.size(); ++i)
    for (auto const candidate : choices[i])
      if (candidate == word) return static_cast<int>(i);
  return std::nullopt;
}

}  // namespace detail

inline constexpr std::int32_t bos = 0, sep = 1, eos = 2;

/// Every word the world knows, the three special ones first.
inline std::vector<std::string> const& vocabulary() { return detail::the_lexicon().list; }

/// The words of `text`, parted by blanks. Throws `sysdpo::error` on a word outside the vocabulary.
inline words encode(std::string_view text) {
  words result;
  detail::each_word(text, [&](std::string_view word) {
    auto const& index = detail::the_lexicon().index;
    auto const found = index.find(word);
    if (found == index.end())
      sysdpo::fail({.thing = "prompt",
                    .place = std::string(text),
                    .cause = fmt::format("the word '{}' is not in the vocabulary", word),
                    .remedy = "Use words of the grammar in examples/progression/grammar.hpp"});
    result.push_back(found->second);
  });
  return result;
}

/// The text of `sequence`, words parted by single blanks. Throws `sysdpo::error` on an index outside the
/// vocabulary.
inline std::string decode(std::span<std::int32_t const> sequence) {
  std::string text;
  for (std::int32_t const word : sequence) {
    if (word < 0 || static_cast<std::size_t>(word) >= vocabulary().size())
      sysdpo::fail({.thing = "word sequence",
                    .place = fmt::format("word {}", word),
                    .cause = fmt::format("the vocabulary has {} words", vocabulary().size()),
                    .remedy = "Decode only words that this grammar's models wrote"});
    if (!text.empty()) text += ' ';
    text += vocabulary()[static_cast<std::size_t>(word)];
  }
  return text;
}

/// A request for three images: `attribute` shall rise or fall at `place`.
struct prompt {
  int attribute = 0;
  bool increasing = true;
  int place = 0;
  std::string text{};
};

/// The prompt of the poster's picture, held out for the test set.
inline constexpr std::string_view poster_prompt =
    "i want to see a series of images of a lake as the ice increases";

namespace detail {

/// A random prompt about `attribute` in one of the phrasings.
inline prompt draw_prompt(int attribute, phrasings const& how, random_stream& random) {
  auto const any = [&](auto const& choices) -> auto const& {
    return choices[static_cast<std::size_t>(random.below(static_cast<int>(choices.size())))];
  };
  prompt result{
      .attribute = attribute, .increasing = random.chance(0.5F), .place = random.below(place_count)};
  auto const opening = any(how.openings);
  std::string const adjective = random.chance(0.5F) ? fmt::format("{} ", any(adjectives)) : "";
  auto const where = any(places[static_cast<std::size_t>(result.place)].nouns);
  auto const& change = any(how.changes);
  auto const what = any(attributes[static_cast<std::size_t>(attribute)].nouns);
  result.text =
      fmt::format("{} a {}{} {}", opening, adjective, where,
                  fmt::format(fmt::runtime(result.increasing ? change.increasing : change.decreasing), what));
  return result;
}

}  // namespace detail

/// Distinct prompts, parted for good.
struct prompt_sets {
  std::vector<prompt> train;           ///< 70%
  std::vector<prompt> validation;      ///< 10%: tuning looks here
  std::vector<prompt> test;            ///< 10%: looked at once; begins with `poster_prompt`
  std::vector<prompt> test_phrasings;  ///< 10%: openings and changes that occur in no other set
};

/// `per_attribute` prompts of each attribute (the poster's experiment has 250), drawn by hashes of the
/// attribute's index and a counter. Each set comes in a fixed shuffled order.
inline prompt_sets make_prompts(int per_attribute = 250) {
  prompt_sets sets;
  std::set<std::string> texts{std::string(poster_prompt)};
  sets.test.push_back(
      {.attribute = ice, .increasing = true, .place = lake, .text = std::string(poster_prompt)});
  for (int a = 0; a < attribute_count; ++a) {
    random_stream random(static_cast<std::uint64_t>(a));
    auto const add = [&](std::vector<prompt>& set, detail::phrasings const& how, int count) {
      while (count > 0)
        if (prompt drawn = detail::draw_prompt(a, how, random); texts.insert(drawn.text).second) {
          set.push_back(std::move(drawn));
          --count;
        }
    };
    int const tenth = per_attribute / 10;
    add(sets.test, detail::known, a == ice ? tenth - 1 : tenth);
    add(sets.test_phrasings, detail::held_out, tenth);
    add(sets.validation, detail::known, tenth);
    add(sets.train, detail::known, per_attribute - 3 * tenth);
  }
  random_stream order(static_cast<std::uint64_t>(per_attribute));
  for (auto* set : {&sets.train, &sets.validation, &sets.test, &sets.test_phrasings}) {
    auto const first = static_cast<std::size_t>(set == &sets.test);  // the poster's prompt stays first
    for (std::size_t i = set->size(); i > first + 1; --i)
      std::swap((*set)[i - 1],
                (*set)[first + static_cast<std::size_t>(order.below(static_cast<int>(i - first)))]);
  }
  return sets;
}

/// What a caption says; `level` counts the five level words, weakest first.
struct caption_meaning {
  int place = 0;
  int attribute = 0;
  int level = 0;

  friend bool operator==(caption_meaning const&, caption_meaning const&) = default;
};

/// "a lake with heavy ice", five words. `synonym` chooses among 2 level words × 2 nouns: bit 0 and bit 1.
inline words caption(caption_meaning meaning, int synonym = 0) {
  auto const place_word = places[static_cast<std::size_t>(meaning.place)].name;
  auto const level_word =
      level_words[static_cast<std::size_t>(meaning.level)][static_cast<std::size_t>(synonym & 1)];
  auto const noun = attributes[static_cast<std::size_t>(meaning.attribute)]
                        .nouns[static_cast<std::size_t>(synonym >> 1 & 1)];
  return encode(fmt::format("a {} with {} {}", place_word, level_word, noun));
}
inline constexpr int caption_synonyms = 4;
inline constexpr int caption_length = 5;

/// What `sequence` says if it is a caption of the grammar in any of its synonyms, else nothing.
inline std::optional<caption_meaning> parse_caption(std::span<std::int32_t const> sequence) {
  auto const& list = vocabulary();
  if (sequence.size() != caption_length) return std::nullopt;
  for (std::int32_t const word : sequence)
    if (word < 0 || static_cast<std::size_t>(word) >= list.size()) return std::nullopt;
  auto const word = [&](std::size_t i) -> std::string_view {
    return list[static_cast<std::size_t>(sequence[i])];
  };
  std::array<std::array<std::string_view, 1>, places.size()> names;
  std::transform(places.begin(), places.end(), names.begin(),
                 [](place const& p) { return std::array{p.name}; });
  std::array<std::array<std::string_view, 2>, attributes.size()> nouns;
  std::transform(attributes.begin(), attributes.end(), nouns.begin(),
                 [](attribute const& a) { return a.nouns; });
  auto const where = detail::find_noun(names, word(1));
  auto const level = detail::find_noun(level_words, word(3));
  auto const what = detail::find_noun(nouns, word(4));
  if (word(0) != "a" || word(2) != "with" || !where || !level || !what) return std::nullopt;
  return caption_meaning{.place = *where, .attribute = *what, .level = *level};
}

/// The best three captions one can write for `request`: from one extreme to the other, evenly.
inline std::array<words, 3> oracle_captions(prompt const& request) {
  std::array<words, 3> result;
  for (int k = 0; k < 3; ++k)
    result[static_cast<std::size_t>(k)] = caption({.place = request.place,
                                                   .attribute = request.attribute,
                                                   .level = request.increasing ? 2 * k : 4 - 2 * k});
  return result;
}

}  // namespace progression
