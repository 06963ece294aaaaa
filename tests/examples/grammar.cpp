#include "../../examples/progression/grammar.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "support/catch.hpp"

using namespace progression;

TEST_CASE("The vocabulary is rich, without repeats, and opens with the special words") {
  auto const& list = vocabulary();
  CHECK(list.size() >= 203);  // 200 words besides the special ones
  CHECK(list.size() <= 400);
  CHECK(std::set<std::string>(list.begin(), list.end()).size() == list.size());
  CHECK(list[bos] == "<bos>");
  CHECK(list[sep] == "<sep>");
  CHECK(list[eos] == "<eos>");
}

TEST_CASE("No two things share a noun") {
  std::set<std::string_view> nouns;
  std::size_t named = 0;
  for (auto const& a : attributes)
    for (auto const noun : a.nouns) nouns.insert(noun), ++named;
  for (auto const& p : places)
    for (auto const noun : p.nouns) nouns.insert(noun), ++named;
  for (auto const& words : level_words)
    for (auto const word : words) nouns.insert(word), ++named;
  CHECK(nouns.size() == named);
}

TEST_CASE("Text survives encoding and decoding") {
  CHECK(decode(encode(poster_prompt)) == poster_prompt);
  CHECK(encode("  a   lake ") == encode("a lake"));
  CHECK(encode("").empty());
  CHECK_THROWS_WITH(encode("a lake with penguins"), Catch::Contains("'penguins' is not in the vocabulary"));
  CHECK_THROWS_AS(decode(words{-1}), sysdpo::error);
  CHECK_THROWS_AS(decode(words{static_cast<std::int32_t>(vocabulary().size())}), sysdpo::error);
}

namespace {

prompt_sets const& sets() {
  static prompt_sets const instance = make_prompts(250);
  return instance;
}

std::vector<std::vector<prompt> const*> all_sets() {
  return {&sets().train, &sets().validation, &sets().test, &sets().test_phrasings};
}

/// The text with the words that name place, adjective and attribute cut out.
struct phrasing {
  std::string opening, change;
  explicit phrasing(prompt const& p) {
    auto const& nouns = places[static_cast<std::size_t>(p.place)].nouns;
    auto const is_where = [&](std::string_view word) {
      return std::find(nouns.begin(), nouns.end(), word) != nouns.end();
    };
    auto const& what = attributes[static_cast<std::size_t>(p.attribute)].nouns;
    bool past = false;
    detail::each_word(p.text, [&](std::string_view word) {
      bool const named = past && (word == what[0] || word == what[1]);
      if (is_where(word))
        past = true;
      else
        (past ? change : opening) += named ? "{} " : std::string(word) + " ";
    });
    for (auto const adjective : detail::adjectives)
      if (auto const at = opening.find(" a " + std::string(adjective) + " "); at != std::string::npos)
        opening.resize(at + 3);
  }
};

}  // namespace

TEST_CASE("Prompt sets are distinct, in proportion, and hold the poster's prompt out") {
  CHECK(sets().train.size() == 175 * attribute_count);
  CHECK(sets().validation.size() == 25 * attribute_count);
  CHECK(sets().test.size() == 25 * attribute_count);
  CHECK(sets().test_phrasings.size() == 25 * attribute_count);
  std::set<std::string> texts;
  std::map<int, int> about;
  for (auto const* set : all_sets())
    for (auto const& p : *set) {
      texts.insert(p.text);
      ++about[p.attribute];
    }
  CHECK(texts.size() == 250 * attribute_count);
  for (auto const& [attribute, count] : about) CHECK(count == 250);
  CHECK(poster_prompt == "i want to see a series of images of a lake as the ice increases");
  CHECK(sets().test.front().text == poster_prompt);
  CHECK(sets().test.front().attribute == ice);
  CHECK(sets().test.front().place == lake);
  CHECK(sets().test.front().increasing);
}

TEST_CASE("Prompts say what they are about") {
  for (auto const* set : all_sets())
    for (auto const& p : *set) {
      phrasing const how(p);
      CHECK(how.change.find("{}") != std::string::npos);
      bool found = false;
      for (auto const& changes : {std::span<detail::change const>(detail::known_changes),
                                  std::span<detail::change const>(detail::held_out_changes)})
        for (auto const& [increasing, decreasing] : changes)
          found |= how.change == std::string(p.increasing ? increasing : decreasing) + " ";
      CHECK(found);
    }
}

TEST_CASE("Every word of a held-out prompt was seen in training") {
  std::set<std::int32_t> seen;
  for (auto const& p : sets().train)
    for (auto const word : encode(p.text)) seen.insert(word);
  for (auto const* set : all_sets())
    for (auto const& p : *set)
      for (auto const word : encode(p.text)) CHECK(seen.count(word) == 1);
}

TEST_CASE("The held-out phrasings occur in no other set, neither the openings nor the changes") {
  std::set<std::string> openings, changes, kept_openings, kept_changes;
  for (auto const* set : {&sets().train, &sets().validation, &sets().test})
    for (auto const& p : *set) {
      phrasing const how(p);
      openings.insert(how.opening);
      changes.insert(how.change);
    }
  for (auto const& p : sets().test_phrasings) {
    phrasing const how(p);
    kept_openings.insert(how.opening);
    kept_changes.insert(how.change);
  }
  CHECK(openings.size() == detail::known_openings.size());
  CHECK(changes.size() == 2 * detail::known_changes.size());
  CHECK(kept_openings.size() == detail::held_out_openings.size());
  CHECK(kept_changes.size() == 2 * detail::held_out_changes.size());
  for (auto const& opening : kept_openings) CHECK(openings.count(opening) == 0);
  for (auto const& change : kept_changes) CHECK(changes.count(change) == 0);
}

TEST_CASE("Every set asks for every attribute in both directions and at every place") {
  for (auto const* set : all_sets()) {
    std::set<std::pair<int, bool>> asked;
    std::set<int> where;
    for (auto const& p : *set) {
      asked.emplace(p.attribute, p.increasing);
      where.insert(p.place);
    }
    CHECK(asked.size() == 2 * attribute_count);
    CHECK(where.size() == place_count);
  }
}

TEST_CASE("The same prompts are drawn every time") {
  auto const again = make_prompts(250);
  for (std::size_t i = 0; i < again.train.size(); ++i) CHECK(again.train[i].text == sets().train[i].text);
}

TEST_CASE("Captions mean what they were made to mean, in every synonym") {
  for (int p = 0; p < place_count; ++p)
    for (int a = 0; a < attribute_count; ++a)
      for (int l = 0; l < level_count; ++l) {
        caption_meaning const meaning{.place = p, .attribute = a, .level = l};
        std::set<words> forms;
        for (int s = 0; s < caption_synonyms; ++s) {
          words const form = caption(meaning, s);
          CHECK(form.size() == caption_length);
          CHECK(parse_caption(form) == meaning);
          forms.insert(form);
        }
        CHECK(forms.size() == caption_synonyms);
      }
  CHECK(decode(caption({.place = lake, .attribute = ice, .level = 3})) == "a lake with heavy ice");
}

TEST_CASE("What is no caption is not read as one") {
  for (char const* text : {"", "a lake with heavy", "a lake with heavy ice ice", "a heavy with lake ice",
                           "a lake a heavy ice", "a pond with heavy ice", "<sep> lake with heavy ice"})
    CHECK_FALSE(parse_caption(encode(text)));
  CHECK_FALSE(parse_caption(words{0, 1, 2, 3, 100000}));
  CHECK_FALSE(parse_caption(words{0, -1, 2, 3, 4}));
}

TEST_CASE("The oracle goes evenly from one extreme to the other") {
  for (bool const increasing : {true, false}) {
    auto const captions =
        oracle_captions({.attribute = fog, .increasing = increasing, .place = coast, .text = ""});
    for (int k = 0; k < 3; ++k)
      CHECK(parse_caption(captions[static_cast<std::size_t>(k)]) ==
            caption_meaning{.place = coast, .attribute = fog, .level = increasing ? 2 * k : 4 - 2 * k});
  }
}
