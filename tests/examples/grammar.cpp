#include "../../examples/progression/grammar.hpp"

#include <set>
#include <string>

#include "support/catch.hpp"

using namespace progression;

TEST_CASE("The vocabulary is small, without repeats, and opens with the special words") {
  auto const& list = vocabulary();
  CHECK(list.size() <= 160);
  CHECK(std::set<std::string>(list.begin(), list.end()).size() == list.size());
  CHECK(list[bos] == "<bos>");
  CHECK(list[sep] == "<sep>");
  CHECK(list[eos] == "<eos>");
}

TEST_CASE("Text survives encoding and decoding") {
  CHECK(decode(encode(poster_prompt)) == poster_prompt);
  CHECK(encode("  a   lake ") == encode("a lake"));
  CHECK(encode("").empty());
  CHECK_THROWS_WITH(encode("a lake with penguins"), Catch::Contains("'penguins' is not in the vocabulary"));
  CHECK_THROWS_AS(decode(words{-1}), sysdpo::error);
  CHECK_THROWS_AS(decode(words{static_cast<std::int32_t>(vocabulary().size())}), sysdpo::error);
}

TEST_CASE("Prompt sets are distinct, in proportion, and hold the poster's prompt out") {
  prompt_sets const sets = make_prompts(250);
  CHECK(sets.train.size() == 200 * attribute_count);
  CHECK(sets.validation.size() == 25 * attribute_count);
  CHECK(sets.test.size() == 25 * attribute_count);
  std::set<std::string> texts;
  for (auto const* set : {&sets.train, &sets.validation, &sets.test})
    for (auto const& p : *set) texts.insert(p.text);
  CHECK(texts.size() == 250 * attribute_count);
  CHECK(sets.test.front().text == poster_prompt);
  CHECK(sets.test.front().attribute == ice);
  CHECK(sets.test.front().place == lake);
  CHECK(sets.test.front().increasing);
}

TEST_CASE("Every word of a held-out prompt was seen in training") {
  prompt_sets const sets = make_prompts(250);
  std::set<std::int32_t> seen;
  for (auto const& p : sets.train)
    for (auto const word : encode(p.text)) seen.insert(word);
  for (auto const* set : {&sets.validation, &sets.test})
    for (auto const& p : *set)
      for (auto const word : encode(p.text)) CHECK(seen.count(word) == 1);
}

TEST_CASE("Every set asks for every attribute in both directions and at every place") {
  prompt_sets const sets = make_prompts(250);
  for (auto const* set : {&sets.train, &sets.validation, &sets.test}) {
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
