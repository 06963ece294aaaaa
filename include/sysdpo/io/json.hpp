// Reading JSON with errors that say where: the file (and line), the place within the document, the cause.
// Stricter than the parser underneath: a key that appears twice in one object is refused, and so is a
// document nested so deeply that comparing or writing it would exhaust the stack.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sysdpo/core/error.hpp"
#include "sysdpo/io/file.hpp"

namespace sysdpo {

/// A JSON document.
using json = nlohmann::json;

/// How deeply arrays and objects may lie within each other.
inline constexpr int deepest_json = 256;

/// Parses one JSON document; `thing` and `place` head the error if it is malformed, not UTF-8, repeats a key,
/// or is nested too deeply.
inline json parse_json(std::string_view text, std::string const& thing, std::string const& place) {
  std::vector<std::set<std::string>> open_objects;
  auto const check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > deepest_json)
      fail({.thing = thing,
            .place = place,
            .cause = fmt::format("it is nested more than {} levels deep", deepest_json),
            .remedy = "Write it flatter"});
    if (event == json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == json::parse_event_t::object_end) open_objects.pop_back();
    if (event == json::parse_event_t::key && !open_objects.back().insert(parsed.get<std::string>()).second)
      fail({.thing = thing,
            .place = place,
            .cause = fmt::format("the key '{}' appears twice in one object", parsed.get<std::string>()),
            .remedy = "Keep one of the two"});
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (json::exception const& caught) {
    // The parser's message is "[json.exception.parse_error.101] parse error at line 1, column 5: ...".
    std::string_view message = caught.what();
    if (auto const end = message.find("] "); end != message.npos) message.remove_prefix(end + 2);
    fail({.thing = thing,
          .place = place,
          .cause = "malformed JSON, " + std::string(message),
          .remedy = "Write valid JSON in UTF-8"});
  }
}

/// Whether two documents say the same. Written `a == b`, the compiler would weigh every conversion of a
/// document to a number wherever that is read; in here it does so only for a program that compares.
template <std::same_as<json> Json>
[[nodiscard]] bool same(Json const& a, Json const& b) {
  return a == b;
}

/// A place in a JSON document that knows where it is. The document must outlive it.
class json_view {
 public:
  /// `value`, which stands at `pointer` within `place`, a file or a line, of a `thing`.
  json_view(json const& value, std::string thing, std::string place, std::string pointer = "")
      : value_(&value), thing_(std::move(thing)), place_(std::move(place)), pointer_(std::move(pointer)) {}

  [[nodiscard]] json const& value() const noexcept { return *value_; }

  /// Fails at this place.
  [[noreturn]] void fail(std::string cause, std::string remedy) const {
    sysdpo::fail({.thing = thing_,
                  .place = pointer_.empty() ? place_ : place_ + ", " + pointer_,
                  .cause = std::move(cause),
                  .remedy = std::move(remedy)});
  }

  /// Whether it is an object with the member `key`.
  [[nodiscard]] bool contains(std::string const& key) const {
    return value_->is_object() && value_->contains(key);
  }

  /// The member `key` of an object.
  [[nodiscard]] json_view at(std::string const& key) const {
    auto const found = object().find(key);
    if (found == value_->end()) fail(fmt::format("'{}' is missing", key), fmt::format("Give '{}'", key));
    return {*found, thing_, place_, pointer_ + "/" + key};
  }

  /// Element `index` of an array, index < size().
  [[nodiscard]] json_view at(std::size_t index) const {
    return {(*value_)[index], thing_, place_, pointer_ + "/" + std::to_string(index)};
  }

  /// The number of elements of an array.
  [[nodiscard]] std::size_t size() const {
    expect(value_->is_array(), "an array");
    return value_->size();
  }

  /// Fails if an object has a member that is not in `known`: most often one misspelt.
  void allow_only(std::vector<std::string> const& known) const {
    for (auto member = object().begin(); member != object().end(); ++member) {
      if (std::find(known.begin(), known.end(), member.key()) != known.end()) continue;
      std::string names;
      for (auto const& name : known) names += (names.empty() ? "" : ", ") + name;
      fail(fmt::format("'{}' is not known here", member.key()), "Known are " + names);
    }
  }

  /// The members of an object.
  [[nodiscard]] json const& object() const {
    expect(value_->is_object(), "an object");
    return *value_;
  }

  /// A string.
  [[nodiscard]] std::string string() const {
    expect(value_->is_string(), "a string");
    return value_->get<std::string>();
  }

  /// True or false.
  [[nodiscard]] bool boolean() const {
    expect(value_->is_boolean(), "true or false");
    return value_->get<bool>();
  }

  /// An integer in [low, high].
  template <std::signed_integral T = std::int64_t>
  [[nodiscard]] T integer(T low = std::numeric_limits<T>::min(),
                          T high = std::numeric_limits<T>::max()) const {
    expect(value_->is_number_integer(), "an integer");
    bool const is_large =
        value_->is_number_unsigned() &&
        value_->get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()};
    auto const number = is_large ? 0 : value_->get<std::int64_t>();
    if (is_large || number < low || number > high)
      fail(fmt::format("{} is out of range", value_->dump()),
           fmt::format("Give an integer from {} to {}", low, high));
    return static_cast<T>(number);
  }

  /// An unsigned 64-bit number, such as an id or a seed.
  [[nodiscard]] std::uint64_t unsigned_integer() const {
    expect(value_->is_number_unsigned(), "an integer of 0 or more");
    return value_->get<std::uint64_t>();
  }

  /// A number that is finite as a T.
  template <std::floating_point T = double>
  [[nodiscard]] T number() const {
    expect(value_->is_number(), "a number");
    auto const wide = value_->get<double>();
    if (!(std::abs(wide) <= static_cast<double>(std::numeric_limits<T>::max())))
      fail(fmt::format("{} is too large", value_->dump()), "Give a finite number");
    return static_cast<T>(wide);
  }

 private:
  void expect(bool holds, std::string_view wanted) const {
    if (!holds)
      fail(fmt::format("{} stands where {} is expected", value_->type_name(), wanted),
           fmt::format("Write {} there", wanted));
  }

  json const* value_;
  std::string thing_, place_, pointer_;
};

/// A JSON document read from a file.
class json_file {
 public:
  /// Reads and parses the file `path`, which is a `thing`.
  json_file(std::filesystem::path const& path, std::string thing)
      : thing_(std::move(thing)),
        place_(path.string()),
        document_(parse_json(read_file(path), thing_, place_)) {}

  [[nodiscard]] json_view root() const { return {document_, thing_, place_}; }

 private:
  std::string thing_, place_;
  json document_;
};

namespace detail {

/// Whether JSON can hold `text`.
inline bool is_utf8(std::string const& text) {
  try {
    static_cast<void>(json(text).dump());
    return true;
  } catch (json::exception const&) {
    return false;
  }
}

/// A document as text. Fails for `path`, which it is to be written to, if a string in it is not UTF-8.
inline std::string json_text(json const& document, std::filesystem::path const& path, int indent = -1) {
  try {
    return document.dump(indent) + "\n";
  } catch (json::exception const&) {
    fail({.thing = "file",
          .place = path.string(),
          .cause = "a text to be written there is not UTF-8",
          .remedy = "Write texts in UTF-8"});
  }
}

}  // namespace detail

/// Writes a document, indented, wholly or not at all. \throws error if a string in it is not UTF-8.
inline void write_json(std::filesystem::path const& path, json const& document) {
  write_file(path, detail::json_text(document, path, 2));
}

}  // namespace sysdpo
