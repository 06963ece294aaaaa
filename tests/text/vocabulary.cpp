#include "sysdpo/text/vocabulary.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using Catch::Contains;
using ids = std::vector<std::int32_t>;

TEST_CASE("words become ids and back", "[vocabulary]") {
  sysdpo::vocabulary const words({"<pad>", "<end>"}, {"fog", "ice", "h\xc3\xa9"});
  CHECK(words.size() == 5);
  CHECK(words.id("<end>") == 1);
  CHECK(words.is_special(1));
  CHECK_FALSE(words.is_special(2));
  CHECK_FALSE(words.is_special(-1));
  CHECK(words.encode(" ice\tfog\n\nh\xc3\xa9 <end>") == ids{3, 2, 4, 1});
  CHECK(words.encode("").empty());
  CHECK(words.encode(" \n").empty());
  CHECK(words.decode(ids{3, 2, 4, 1}) == "ice fog h\xc3\xa9 <end>");
  CHECK(words.decode(ids{}).empty());
}

TEST_CASE("words and ids that are not there are named", "[vocabulary]") {
  sysdpo::vocabulary const words({"<pad>"}, {"fog"});
  CHECK_THROWS_WITH(words.encode("fog snow"), Contains("'snow'") && Contains("not in the vocabulary"));
  CHECK_THROWS_WITH(words.decode(ids{0, 2}), Contains("token 2") && Contains("2 tokens"));
  CHECK_THROWS_AS(words.word(-1), sysdpo::error);
  CHECK_THROWS_WITH(sysdpo::vocabulary({"a"}, {"b", "a"}), Contains("'a'") && Contains("twice"));
  CHECK_THROWS_AS(sysdpo::vocabulary({}, {"a b"}), sysdpo::error);
  CHECK_THROWS_AS(sysdpo::vocabulary({}, {""}), sysdpo::error);
}

TEST_CASE("a vocabulary is saved and loaded", "[vocabulary]") {
  test::temporary_directory const folder;
  sysdpo::vocabulary const words({"<pad>", "<end>"}, {"fog", "\"ice\""});
  words.save(folder / "x");
  CHECK(sysdpo::vocabulary::load(folder / "x") == words);
  sysdpo::write_file(folder / "x", R"({"special": [], "words": ["fog", 1]})");
  CHECK_THROWS_WITH(sysdpo::vocabulary::load(folder / "x"), Contains("vocabulary (") && Contains("/words/1"));
  sysdpo::write_file(folder / "x", R"({"words": []})");
  CHECK_THROWS_WITH(sysdpo::vocabulary::load(folder / "x"), Contains("'special' is missing"));
}
