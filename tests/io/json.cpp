#include "sysdpo/io/json.hpp"

#include <cstdint>
#include <string>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using Catch::Contains;
using sysdpo::json;

namespace {

json parse(std::string const& text) { return sysdpo::parse_json(text, "test", "here"); }

}  // namespace

TEST_CASE("malformed JSON is refused with its place", "[json]") {
  CHECK(parse(R"({"a": {"x": 1}, "b": {"x": 2}})")["b"]["x"] == 2);
  CHECK_THROWS_WITH(parse(R"({"a": )"), Contains("test (here): malformed JSON, parse error at line 1"));
  CHECK_THROWS_WITH(parse(R"({"a": 1, "b": {"c": 1, "c": 1}})"), Contains("'c' appears twice"));
  CHECK_THROWS_AS(parse("\"\xff\""), sysdpo::error);
  CHECK_THROWS_AS(parse("1e999"), sysdpo::error);
  CHECK_THROWS_AS(parse(""), sysdpo::error);
  CHECK_THROWS_AS(parse(std::string(100'000, '[')), sysdpo::error);
}

TEST_CASE("nesting that would exhaust the stack is refused, ordinary nesting is not", "[json]") {
  auto const nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK_NOTHROW(parse(nested(200)));
  CHECK_THROWS_WITH(parse(nested(1000)), Contains("nested more than 256 levels deep"));
  CHECK_THROWS_AS(parse(nested(200'000)), sysdpo::error);
  std::string objects;
  for (int i = 0; i < 1000; ++i) objects += R"({"a":)";
  CHECK_THROWS_WITH(parse(objects + "1" + std::string(1000, '}')), Contains("nested more than"));
}

TEST_CASE("views check types and ranges and say where", "[json]") {
  json const document = parse(R"({"list": [1, -2, 3.5, "x", true, 18446744073709551615, 1e300]})");
  sysdpo::json_view const root(document, "test", "here");
  auto const list = root.at("list");
  REQUIRE(list.size() == 7);
  CHECK(list.at(0).integer() == 1);
  CHECK(list.at(1).integer<std::int32_t>(-2, 2) == -2);
  CHECK(list.at(2).number() == 3.5);
  CHECK(list.at(0).number<float>() == 1.0f);
  CHECK(list.at(3).string() == "x");
  CHECK(list.at(4).boolean());
  CHECK(list.at(5).unsigned_integer() == UINT64_MAX);
  CHECK(root.contains("list"));

  CHECK_THROWS_WITH(root.at("other"), Contains("test (here): 'other' is missing"));
  CHECK_THROWS_WITH(list.at("other"), Contains("here, /list") && Contains("array stands where an object"));
  CHECK_THROWS_WITH(root.size(), Contains("object stands where an array"));
  CHECK_THROWS_WITH(list.at(1).unsigned_integer(), Contains("/list/1"));
  CHECK_THROWS_WITH(list.at(1).integer(0L, 5L), Contains("-2 is out of range") && Contains("0 to 5"));
  CHECK_THROWS_WITH(list.at(5).integer(), Contains("out of range"));
  CHECK_THROWS_WITH(list.at(2).integer(), Contains("an integer"));
  CHECK_THROWS_WITH(list.at(6).number<float>(), Contains("too large"));
  CHECK_THROWS_WITH(list.at(0).string(), Contains("a string"));
  CHECK_THROWS_WITH(list.at(0).boolean(), Contains("true or false"));
  CHECK_THROWS_WITH(root.allow_only({"lists"}), Contains("'list' is not known here"));
  CHECK_NOTHROW(root.allow_only({"list", "other"}));
}

TEST_CASE("a document is written and read back", "[json]") {
  test::temporary_directory const folder;
  sysdpo::write_json(folder / "x.json", {{"a", 1}});
  CHECK(sysdpo::json_file(folder / "x.json", "test").root().at("a").integer() == 1);
  sysdpo::write_file(folder / "y.json", "{");
  CHECK_THROWS_WITH(sysdpo::json_file(folder / "y.json", "settings"),
                    Contains("settings (") && Contains("y.json"));
}

TEST_CASE("text that is not UTF-8 is not written", "[json]") {
  test::temporary_directory const folder;
  sysdpo::write_json(folder / "x.json", {{"a", 1}});
  auto const before = sysdpo::read_file(folder / "x.json");
  CHECK_THROWS_AS(sysdpo::write_json(folder / "x.json", {{"a", "\xff"}}), sysdpo::error);
  CHECK(sysdpo::read_file(folder / "x.json") == before);
}
