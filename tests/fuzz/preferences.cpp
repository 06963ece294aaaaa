// Arbitrary bytes as preference data with every kind of value, images in a file beside it among them: what is
// accepted is written and read back as it was.
#include "sysdpo/io/preferences.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "input.hpp"

namespace {

struct topic {
  static constexpr auto name = "topic";
};
struct mood {
  static constexpr auto name = "mood";
};
struct lines {
  static constexpr auto name = "lines";
};
struct label {
  static constexpr auto name = "label";
};
struct score {
  static constexpr auto name = "score";
};
struct place {
  static constexpr auto name = "place";
};
struct drawing {
  static constexpr auto name = "drawing";
};

template <class Value>
struct any_policy {
  using value = Value;
  using model = sysdpo::no_model;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;
};
template <class Name, class Value>
using any_node = sysdpo::node<Name, any_policy<Value>, sysdpo::from<topic>>;

using every_value =
    sysdpo::system<sysdpo::source<topic, sysdpo::text>, sysdpo::source<mood, sysdpo::category<3>>,
                   any_node<lines, sysdpo::list<sysdpo::text, 2>>, any_node<label, sysdpo::category<4>>,
                   any_node<score, sysdpo::scalar>, any_node<place, sysdpo::real_vector<2>>,
                   any_node<drawing, sysdpo::image<3, 1, 2>>>;

/// Letters are tokens; any other character has none.
std::vector<std::int32_t> encode(std::string_view words) {
  std::vector<std::int32_t> ids;
  for (char const letter : words) {
    if (letter < 'a' || letter > 'z')
      sysdpo::fail(
          {.thing = "text", .place = "", .cause = "a character is no letter", .remedy = "Use letters"});
    ids.push_back(letter - 'a');
  }
  return ids;
}
std::string decode(std::span<std::int32_t const> ids) {
  std::string words;
  for (auto const id : ids) words += static_cast<char>('a' + id);
  return words;
}

}  // namespace

void run_one(std::string_view input) {
  auto const path = fuzz::folder() / "data.jsonl";
  static bool const is_ready = [] {
    std::array<float, 6> const pixels{-1, -0.5F, 0, 0.25F, 0.5F, 1};
    std::array<std::int32_t, 6> const integers{1, 2, 3, 4, 5, 6};
    std::array const tensors{sysdpo::view_as_tensor<float>("image", {1, 2, 3}, pixels),
                             sysdpo::view_as_tensor<float>("flat", {6}, pixels),
                             sysdpo::view_as_tensor<std::int32_t>("integers", {1, 2, 3}, integers)};
    sysdpo::write_safetensors(fuzz::folder() / "images.safetensors", tensors);
    return true;
  }();
  fuzz::demand(is_ready, "the images are there");
  fuzz::write(path, input);
  // One run in two knows words, the other token ids alone.
  bool const knows_words = input.size() % 2 == 0;
  sysdpo::preference_file_options const options{
      .text = knows_words ? sysdpo::text_codec{.encode = encode, .decode = decode, .size = 26}
                          : sysdpo::text_codec{},
      .images_beside = input.size() % 4 < 2};
  fuzz::accepts([&] {
    auto const pairs = sysdpo::read_preferences<every_value>(path, options);
    auto const copy = fuzz::folder() / "copy.jsonl";
    sysdpo::write_preferences<every_value>(copy, pairs, options);
    fuzz::demand(fuzz::accepts([&] {
                   auto const again = sysdpo::read_preferences<every_value>(copy, options);
                   fuzz::demand(std::ranges::equal(again, pairs,
                                                   [](auto const& a, auto const& b) {
                                                     return a.id == b.id && a.chosen == b.chosen &&
                                                            a.rejected == b.rejected && a.weight == b.weight;
                                                   }),
                                "pairs survive a copy");
                 }),
                 "what was written can be read");
  });
}
