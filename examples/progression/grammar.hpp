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
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sysdpo/core/error.hpp>
#include <sysdpo/core/hash.hpp>

#include "attributes.hpp"
#include "random.hpp"

namespace progression {

/// Words by their index in `vocabulary()`.
using words = std::vector<std::int32_t>;

namespace detail {

inline constexpr std::array<std::string_view, 7> openings{
    "i want to see a series of images of", "show me three pictures of",
    "please draw a sequence of images of", "paint three views of",
    "generate a series of views of",       "make three pictures of",
    "give me a sequence of pictures of"};

// "{}" stands for the attribute's noun.
inline constexpr std::array<std::string_view, 7> increasing_changes{
    "as the {} increases", "as the {} grows",       "while the {} rises",        "with increasing {}",
    "with growing {}",     "with more and more {}", "where the {} gets stronger"};
inline constexpr std::array<std::string_view, 7> decreasing_changes{
    "as the {} decreases", "as the {} fades",       "while the {} falls",      "with decreasing {}",
    "with fading {}",      "with less and less {}", "where the {} gets weaker"};

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
    for (auto const phrases :
         {std::span(openings), std::span(increasing_changes), std::span(decreasing_changes)})
      for (auto const phrase : phrases) add(phrase);
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

/// Every prompt of the grammar about `attribute`, in a fixed order: openings × places × nouns × changes × 2
/// directions.
inline std::vector<prompt> all_prompts(int attribute) {
  std::vector<prompt> result;
  for (auto const opening : detail::openings)
    for (int p = 0; p < place_count; ++p)
      for (auto const where : places[static_cast<std::size_t>(p)].nouns)
        for (auto const what : attributes[static_cast<std::size_t>(attribute)].nouns)
          for (bool const increasing : {true, false})
            for (auto const change : increasing ? detail::increasing_changes : detail::decreasing_changes)
              result.push_back({.attribute = attribute,
                                .increasing = increasing,
                                .place = p,
                                .text = fmt::format("{} a {} {}", opening, where,
                                                    fmt::format(fmt::runtime(change), what))});
  return result;
}

/// Distinct prompts, parted for good by a hash of their text.
struct prompt_sets {
  std::vector<prompt> train;       ///< 80%
  std::vector<prompt> validation;  ///< 10%: tuning looks here
  std::vector<prompt> test;        ///< 10%: looked at once; begins with `poster_prompt`
};

/// `per_attribute` prompts of each attribute (the poster's experiment has 250), chosen and parted by the hash
/// of their text, so that neither depends on the order of enumeration. Each set comes in a fixed shuffled
/// order.
inline prompt_sets make_prompts(int per_attribute = 250) {
  auto const hash = [](std::string_view text) { return mix(sysdpo::fnv1a().add(text).value()); };
  // The poster's prompt first, everything else by hash.
  auto const rank = [&](prompt const& p) { return p.text == poster_prompt ? 0 : hash(p.text); };
  auto const by_rank = [&](prompt const& a, prompt const& b) { return rank(a) < rank(b); };
  prompt_sets sets;
  for (int a = 0; a < attribute_count; ++a) {
    std::vector<prompt> all = all_prompts(a);
    std::sort(all.begin(), all.end(), by_rank);
    all.resize(std::min(all.size(), static_cast<std::size_t>(per_attribute)));
    for (std::size_t i = 0; i < all.size(); ++i)
      (i % 10 == 0 ? sets.test : i % 10 == 1 ? sets.validation : sets.train).push_back(std::move(all[i]));
  }
  for (auto* set : {&sets.train, &sets.validation, &sets.test}) std::sort(set->begin(), set->end(), by_rank);
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
