#include "sysdpo/io/preferences.hpp"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using Catch::Contains;

namespace {

template <class Value>
struct any_policy {
  using value = Value;
  using model = sysdpo::no_model;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;
};

struct prompt {
  static constexpr auto name = "prompt";
};
struct mood {
  static constexpr auto name = "mood";
};
struct writer {
  static constexpr auto name = "writer";
};
struct judge {
  static constexpr auto name = "judge";
};
template <int K>
struct panel {
  static constexpr auto name = "panel";
  static constexpr int index = K;
};

using captions = sysdpo::list<sysdpo::text, 2>;
using picture = sysdpo::image<3, 1, 2>;
template <int K>
using illustration = sysdpo::node<panel<K>, any_policy<picture>, sysdpo::from<sysdpo::part<writer, K>>>;
using storybook = sysdpo::system<sysdpo::source<prompt, sysdpo::text>,
                                 sysdpo::node<writer, any_policy<captions>, sysdpo::from<prompt>>,
                                 illustration<0>, illustration<1>>;
using pair_type = sysdpo::preference<storybook>;

// Two sources and the remaining value types.
using survey =
    sysdpo::system<sysdpo::source<prompt, sysdpo::category<3>>, sysdpo::source<mood, sysdpo::scalar>,
                   sysdpo::node<judge, any_policy<sysdpo::real_vector<2>>, sysdpo::from<prompt, mood>>>;

// "a" is 0, "b" is 1 and so on; words are letters parted by blanks.
sysdpo::text_codec letters() {
  return {
      .encode =
          [](std::string_view text) {
            std::vector<std::int32_t> ids;
            std::istringstream words{std::string(text)};
            for (std::string word; words >> word;) {
              if (word.size() != 1 || word[0] < 'a' || word[0] > 'd')
                sysdpo::fail(
                    {.thing = "letters", .place = "", .cause = "no letter: " + word, .remedy = "Write a-d"});
              ids.push_back(word[0] - 'a');
            }
            return ids;
          },
      .decode =
          [](std::span<std::int32_t const> ids) {
            std::string text;
            for (auto const id : ids)
              text += (text.empty() ? "" : " ") + std::string(1, static_cast<char>('a' + id));
            return text;
          },
      .size = 4};
}

picture::type pixels(float first) {
  return picture::type(std::vector<float>{first, 0.1f, -0.2f, 1.0f, -1.0f, 1e-30f});
}

std::vector<pair_type> sample_pairs() {
  std::vector<pair_type> pairs(2);
  for (std::size_t i = 0; i < 2; ++i) {
    auto const n = static_cast<float>(i);
    pairs[i].id = 10 - 7 * i;
    pairs[i].weight = i == 0 ? 1.0 : 0.25;
    for (auto* side : {&pairs[i].chosen, &pairs[i].rejected}) {
      float const sign = side == &pairs[i].chosen ? 1.0f : -1.0f;
      sysdpo::get<prompt>(*side) = {0, static_cast<std::int32_t>(i)};
      sysdpo::get<writer>(*side) = {std::vector<std::int32_t>{sign > 0 ? 2 : 3}, std::vector<std::int32_t>{}};
      sysdpo::get<panel<0>>(*side) = pixels(sign * (n + 0.3f));
      sysdpo::get<panel<1>>(*side) = pixels(sign * (n + 0.7f));
    }
  }
  return pairs;
}

void check_equal(std::vector<pair_type> const& a, std::vector<pair_type> const& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].id == b[i].id);
    CHECK(a[i].weight == b[i].weight);
    CHECK(a[i].chosen == b[i].chosen);
    CHECK(a[i].rejected == b[i].rejected);
  }
}

std::string replaced(std::string text, std::string const& from, std::string const& to) {
  auto const at = text.find(from);
  REQUIRE(at != text.npos);
  return text.replace(at, from.size(), to);
}

std::string const good_line =
    R"({"id": 5, "prompt": "a b", "chosen": {"writer": ["c", [3]], )"
    R"("panel_0": {"shape": [1, 2, 3], "data": [0, 1, 2, 3, 4, 5]}, "panel_1": {"shape": [1, 2, 3], "data": [0, 0, 0, 0, 0, 0]}}, )"
    R"("rejected": {"writer": ["d", "d"], "panel_0": {"shape": [1, 2, 3], "data": [1, 1, 1, 1, 1, 1]}, )"
    R"("panel_1": {"shape": [1, 2, 3], "data": [0.5, 0, 0, 0, 0, 0]}}})";

}  // namespace

TEST_CASE("pairs survive the way through a file bit by bit", "[preferences]") {
  test::temporary_directory const folder;
  auto const pairs = sample_pairs();
  for (bool const images_beside : {false, true})
    for (auto const& text : {sysdpo::text_codec{}, letters()}) {
      sysdpo::preference_file_options const options{.text = text, .images_beside = images_beside};
      sysdpo::write_preferences<storybook>(folder / "pairs.jsonl", pairs, options);
      check_equal(sysdpo::read_preferences<storybook>(folder / "pairs.jsonl", options), pairs);
    }
  CHECK_THAT(sysdpo::read_file(folder / "pairs.jsonl"), Contains(R"("prompt":"a a")"));
}

TEST_CASE("image files of earlier data go, those of others stay", "[preferences]") {
  test::temporary_directory const folder;
  auto const count = [&] {
    std::size_t files = 0;
    for (auto const& entry : std::filesystem::directory_iterator(folder.path()))
      files += entry.path().extension() == ".safetensors" ? 1 : 0;
    return files;
  };
  auto pairs = sample_pairs();
  sysdpo::write_preferences<storybook>(folder / "other.jsonl", pairs);
  sysdpo::write_file(folder / "pairs.safetensors", "");
  sysdpo::write_preferences<storybook>(folder / "pairs.jsonl", pairs);
  sysdpo::write_preferences<storybook>(folder / "pairs.jsonl", pairs);
  CHECK(count() == 3);
  sysdpo::get<panel<0>>(pairs[0].chosen)(0, 0, 0) = 0.5f;
  sysdpo::write_preferences<storybook>(folder / "pairs.jsonl", pairs);
  CHECK(count() == 3);
  check_equal(sysdpo::read_preferences<storybook>(folder / "pairs.jsonl"), pairs);
}

TEST_CASE("a hand-written line is read", "[preferences]") {
  test::temporary_directory const folder;
  sysdpo::write_file(folder / "x", good_line + "\n");
  auto const pairs = sysdpo::read_preferences<storybook>(folder / "x", {.text = letters()});
  REQUIRE(pairs.size() == 1);
  CHECK(pairs[0].id == 5);
  CHECK(pairs[0].weight == 1);
  CHECK(sysdpo::get<prompt>(pairs[0].rejected) == std::vector<std::int32_t>{0, 1});
  CHECK(sysdpo::get<writer>(pairs[0].chosen)[1] == std::vector<std::int32_t>{3});
  CHECK(sysdpo::get<panel<0>>(pairs[0].chosen)(0, 1, 2) == 5.0f);
  CHECK(sysdpo::get<panel<1>>(pairs[0].rejected)(0, 0, 0) == 0.5f);
}

TEST_CASE("several sources are an object, ids count when absent", "[preferences]") {
  test::temporary_directory const folder;
  sysdpo::write_file(
      folder / "x",
      R"({"prompt": {"prompt": 2, "mood": 0.5}, "chosen": {"judge": [1, 2.5]}, "rejected": {"judge": [0, 0]}})"
      "\n\n"
      R"({"prompt": {"prompt": 0, "mood": -1}, "chosen": {"judge": [1, 1]}, "rejected": {"judge": [0, 0]},)"
      R"( "metadata": {"by": "hand"}})");
  auto pairs = sysdpo::read_preferences<survey>(folder / "x");
  REQUIRE(pairs.size() == 2);
  CHECK(pairs[1].id == 1);
  CHECK(sysdpo::get<prompt>(pairs[0].chosen) == 2);
  CHECK(sysdpo::get<judge>(pairs[0].chosen)[1] == 2.5);
  sysdpo::write_preferences<survey>(folder / "y", pairs);
  CHECK(sysdpo::read_preferences<survey>(folder / "y")[1].rejected == pairs[1].rejected);

  sysdpo::get<judge>(pairs[1].chosen)[1] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(sysdpo::write_preferences<survey>(folder / "y", pairs),
                    Contains("1/chosen/judge/1") && Contains("not finite"));
}

TEST_CASE("wrong lines are refused with file, line and field", "[preferences]") {
  test::temporary_directory const folder;
  struct fault {
    std::string from, to, message;
  };
  std::vector<fault> const faults{
      {R"("a b")", R"("a z")", "/prompt): no letter: z"},
      {R"([3])", R"([4])", "/chosen/writer/1/0): 4 is out of range"},
      {R"([3])", R"([-1])", "out of range"},
      {R"(["d", "d"])", R"(["d"])", "/rejected/writer): 1 elements stand where 2"},
      {R"("panel_1")", R"("panel_2")", "'panel_1' is missing"},
      {R"("writer": ["c")", R"("extra": 1, "writer": ["c")", "'extra' is not known"},
      {R"("rejected")", R"("rejectd")", "'rejectd' is not known"},
      {R"("prompt": "a b", )", "", "'prompt' is missing"},
      {R"("id": 5)", R"("id": -5)", "/id"},
      {R"("id": 5)", R"("id": 3)", "the id 3 is taken"},
      {R"("id": 5)", R"("weight": -1, "id": 5)", "negative"},
      {R"([1, 2, 3], "data": [0, 1)", R"([2, 1, 3], "data": [0, 1)", "/chosen/panel_0/shape): it is [2,1,3]"},
      {R"([0, 1, 2, 3, 4, 5])", R"([0, 1, 2, 3, 4])", "5 numbers stand where 6"},
      {R"([0, 1, 2, 3, 4, 5])", R"([0, 1, 2, 3, 4, "x"])", "/chosen/panel_0/data/5"},
      {R"([0, 1, 2, 3, 4, 5])", R"([0, 1, 2, 3, 4, NaN])", "malformed JSON"},
      {R"([0, 1, 2, 3, 4, 5])", R"([0, 1, 2, 3, 4, 1e39])", "too large"},
      {R"({"shape": [1, 2, 3], "data": [0, 1, 2, 3, 4, 5]})", R"({"file": "no", "tensor": "a"})",
       "No such file"},
      {R"({"shape": [1, 2, 3], "data": [0, 1, 2, 3, 4, 5]})", R"({"file": "../t", "tensor": "a"})",
       "not the name of a file"},
      {R"({"shape": [1, 2, 3], "data": [0, 1, 2, 3, 4, 5]})", R"({"file": "t", "tensor": "z"})",
       "has no tensor 'z'"},
      {R"({"shape": [1, 2, 3], "data": [0, 1, 2, 3, 4, 5]})", R"({"file": "t", "tensor": "flat"})",
       "has shape [6]"},
      {R"({"shape": [1, 2, 3], "data": [0, 1, 2, 3, 4, 5]})", R"({"file": "t", "tensor": "nan"})",
       "a pixel is not finite"},
  };
  std::vector<float> numbers(6, std::nanf(""));
  sysdpo::write_safetensors(
      folder / "t", std::vector{sysdpo::view_as_tensor("flat", {6}, std::span<float const>(numbers)),
                                sysdpo::view_as_tensor("nan", {1, 2, 3}, std::span<float const>(numbers))});
  std::string const first = replaced(good_line, R"("id": 5)", R"("id": 3)");
  for (auto const& fault : faults) {
    CAPTURE(fault.to);
    sysdpo::write_file(folder / "x", first + "\n" + replaced(good_line, fault.from, fault.to) + "\n");
    auto const place = fault.message == "No such file" ? std::string("no)") : "x, line 2";
    CHECK_THROWS_WITH(sysdpo::read_preferences<storybook>(folder / "x", {.text = letters()}),
                      Contains(place) && Contains(fault.message));
  }
  sysdpo::write_file(folder / "x", good_line);
  CHECK_THROWS_WITH(sysdpo::read_preferences<storybook>(folder / "x"), Contains("no tokenizer"));
}

TEST_CASE("an image that is not there is not written", "[preferences]") {
  test::temporary_directory const folder;
  auto pairs = sample_pairs();
  sysdpo::write_preferences<storybook>(folder / "x", pairs);
  auto const before = sysdpo::read_file(folder / "x");
  sysdpo::get<panel<1>>(pairs[1].rejected) = {};
  CHECK_THROWS_WITH(sysdpo::write_preferences<storybook>(folder / "x", pairs),
                    Contains("3/rejected/panel_1") && Contains("empty"));
  CHECK(sysdpo::read_file(folder / "x") == before);
}

TEST_CASE("texts that end within a character are written as ids", "[preferences]") {
  test::temporary_directory const folder;
  sysdpo::text_codec const bytes{.encode =
                                     [](std::string_view text) {
                                       std::vector<std::int32_t> ids;
                                       for (char const c : text) ids.push_back(static_cast<unsigned char>(c));
                                       return ids;
                                     },
                                 .decode =
                                     [](std::span<std::int32_t const> ids) {
                                       std::string text;
                                       for (auto const id : ids) text += static_cast<char>(id);
                                       return text;
                                     },
                                 .size = 256};
  auto pairs = sample_pairs();
  sysdpo::get<writer>(pairs[0].chosen)[0] = {'a', 0xC3};  // half of an umlaut
  sysdpo::get<writer>(pairs[0].chosen)[1] = {0xC3, 0xA4};
  sysdpo::write_preferences<storybook>(folder / "x", pairs, {.text = bytes});
  CHECK(sysdpo::read_file(folder / "x").find("[[97,195],\"\xC3\xA4\"]") != std::string::npos);
  check_equal(sysdpo::read_preferences<storybook>(folder / "x", {.text = bytes}), pairs);
}

TEST_CASE("what could not be read back is not written", "[preferences]") {
  test::temporary_directory const folder;
  for (double const weight :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -1.0}) {
    auto pairs = sample_pairs();
    pairs[1].weight = weight;
    CHECK_THROWS_WITH(sysdpo::write_preferences<storybook>(folder / "x", pairs), Contains("weight"));
  }
  auto pairs = sample_pairs();
  pairs[1].id = pairs[0].id;
  CHECK_THROWS_WITH(sysdpo::write_preferences<storybook>(folder / "x", pairs, {.images_beside = false}),
                    Contains("id 10"));
  CHECK(!std::filesystem::exists(folder / "x"));
}

TEST_CASE("no truncation and no changed byte of a line crashes the reader", "[preferences]") {
  test::temporary_directory const folder;
  auto const use = [&](std::string const& bytes) {
    std::ofstream(folder / "x", std::ios::binary) << bytes;
    try {
      return sysdpo::read_preferences<storybook>(folder / "x", {.text = letters()}).size() == 1;
    } catch (sysdpo::error const&) {
      return false;
    }
  };
  CHECK(use(good_line));
  int accepted = 0;
  for (std::size_t length = 1; length < good_line.size(); ++length)
    accepted += use(good_line.substr(0, length)) ? 1 : 0;
  CHECK(accepted == 0);
  for (std::size_t i = 0; i < good_line.size(); ++i)
    for (char const mask : {'\x01', '\x08', '\x80'}) {
      std::string changed = good_line;
      changed[i] = static_cast<char>(changed[i] ^ mask);
      accepted += use(changed) ? 1 : 0;
    }
  CHECK(accepted < static_cast<int>(good_line.size()));
}
