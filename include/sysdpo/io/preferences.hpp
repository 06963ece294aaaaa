// Preference data as JSON lines, one pair a line:
//
//   {"id": 7, "prompt": VALUE, "chosen": {"writer": VALUE, "panel_0": VALUE}, "rejected": {...},
//    "weight": 1, "metadata": ...}
//
// "chosen" and "rejected" have one member a node, by its name. "prompt" is the source's value; in a system of
// several sources it is an object with one member a source. "id", "weight" and "metadata" may be left out:
// ids then count pairs from 0, weights are 1, and "metadata" is never read. A VALUE is
//
//   text         a string, where a tokenizer is given, or an array of token ids
//   list         an array of values
//   category     an integer from 0
//   scalar       a number
//   real_vector  an array of numbers
//   image        {"shape": [H, W, C], "data": [H * W * C numbers, HWC]}, or {"file": NAME, "tensor": NAME}:
//                a floating-point tensor of that shape in a safetensors file beside the data
//
// and for a value type of one's own whatever its specialisation of `json_format` says. Every error names
// file, line and field.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>
#include <vector>

#include "sysdpo/core/error.hpp"
#include "sysdpo/core/hash.hpp"
#include "sysdpo/graph/preference.hpp"
#include "sysdpo/graph/system.hpp"
#include "sysdpo/io/file.hpp"
#include "sysdpo/io/json.hpp"
#include "sysdpo/io/jsonl.hpp"
#include "sysdpo/io/safetensors.hpp"

namespace sysdpo {

/// Turns strings into token ids and back. Empty functions: texts are arrays of ids. Ids lie in [0, size).
struct text_codec {
  std::function<std::vector<std::int32_t>(std::string_view)> encode{};
  std::function<std::string(std::span<std::int32_t const>)> decode{};
  std::int32_t size = std::numeric_limits<std::int32_t>::max();

  /// The codec of anything with `encode`, `decode` and `size`, which it refers to.
  template <class Tokenizer>
  [[nodiscard]] static text_codec of(Tokenizer const& tokenizer) {
    return {.encode = [&tokenizer](std::string_view text) { return tokenizer.encode(text); },
            .decode = [&tokenizer](std::span<std::int32_t const> ids) { return tokenizer.decode(ids); },
            .size = static_cast<std::int32_t>(tokenizer.size())};
  }
};

/// How preference data is read and written.
struct preference_file_options {
  text_codec text{};
  bool images_beside = true;  ///< writing: images go to one safetensors file beside the data
};

/// What `json_format` needs to read a value.
class value_reader {
 public:
  /// Reads texts with `text`, which must outlive it, and tensors from files in `folder`.
  value_reader(std::filesystem::path folder, text_codec const& text)
      : folder_(std::move(folder)), text_(&text) {}

  [[nodiscard]] text_codec const& text() const noexcept { return *text_; }

  /// The tensor that {"file", "tensor"} names; files are opened once.
  [[nodiscard]] tensor_view const& tensor(json_view const& reference) {
    reference.allow_only({"file", "tensor"});
    std::string const name = reference.at("file").string();
    if (name.empty() || name.find('/') != name.npos)
      reference.at("file").fail(fmt::format("'{}' is not the name of a file", name),
                                "Name a file in the folder of the data");
    auto found = files_.find(name);
    if (found == files_.end()) found = files_.emplace(name, safetensors_file(folder_ / name)).first;
    std::string const tensor = reference.at("tensor").string();
    if (!found->second.contains(tensor))
      reference.at("tensor").fail(fmt::format("'{}' has no tensor '{}'", name, tensor),
                                  "Name a tensor of that file");
    return found->second.find(tensor);
  }

 private:
  std::filesystem::path folder_;
  text_codec const* text_;
  std::map<std::string, safetensors_file> files_;
};

/// What `json_format` needs to write a value.
struct value_writer {
  text_codec const* text = nullptr;
  std::string place;                 ///< of the value, such as "7/chosen/panel_0": unique within the data
  std::string file;                  ///< takes tensors; empty: they are written in place
  std::vector<tensor_view> tensors;  ///< for `file`; they refer to the values being written

  /// Fails at the value's place.
  [[noreturn]] void fail(std::string cause, std::string remedy) const {
    sysdpo::fail({.thing = "preference to write",
                  .place = place,
                  .cause = std::move(cause),
                  .remedy = std::move(remedy)});
  }
};

/// How values of type `Value` stand in preference data. Specialise it for a value type of your own:
/// `static Value::type read(json_view const&, value_reader&)` and `static json write(Value::type const&,
/// value_writer&)`.
template <class Value>
struct json_format;

/// Text: a string or token ids.
template <std::same_as<text> Text>
struct json_format<Text> {
  using type = typename Text::type;

  /// From what stands in the data.
  static type read(json_view const& from, value_reader& reader) {
    auto const& codec = reader.text();
    if (from.value().is_string()) {
      if (!codec.encode)
        from.fail("a string stands where no tokenizer was given", "Give a tokenizer, or write token ids");
      try {
        return codec.encode(from.string());
      } catch (error const& caught) {
        from.fail(caught.parts().cause, caught.parts().remedy);
      }
    }
    type ids(from.size());
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = from.at(i).integer<std::int32_t>(0, codec.size - 1);
    return ids;
  }

  /// A string where that loses nothing, ids elsewhere: also where the tokens are bytes and end within a
  /// character.
  static json write(type const& ids, value_writer& writer) {
    if (writer.text->decode) {
      std::string words = writer.text->decode(ids);
      if (detail::is_utf8(words) && writer.text->encode(words) == ids) return words;
    }
    return ids;
  }
};

/// A list: an array of values.
template <class Value, int Length>
struct json_format<list<Value, Length>> {
  using type = typename list<Value, Length>::type;

  /// From what stands in the data.
  static type read(json_view const& from, value_reader& reader) {
    if (from.size() != Length)
      from.fail(fmt::format("{} elements stand where {} are expected", from.size(), Length),
                fmt::format("Give {} elements", Length));
    type values{};
    for (std::size_t i = 0; i < Length; ++i) values[i] = json_format<Value>::read(from.at(i), reader);
    return values;
  }

  /// As it stands in the data.
  static json write(type const& values, value_writer& writer) {
    json array = json::array();
    std::string const place = writer.place;
    for (std::size_t i = 0; i < Length; ++i) {
      writer.place = fmt::format("{}/{}", place, i);
      array.push_back(json_format<Value>::write(values[i], writer));
    }
    writer.place = place;
    return array;
  }
};

/// A category: an integer.
template <int Categories>
struct json_format<category<Categories>> {
  static int read(json_view const& from, value_reader&) { return from.integer<int>(0, Categories - 1); }
  static json write(int value, value_writer&) { return value; }
};

/// A scalar: a finite number.
template <std::same_as<scalar> Scalar>
struct json_format<Scalar> {
  using type = typename Scalar::type;

  static type read(json_view const& from, value_reader&) { return from.number(); }
  /// As it stands in the data.
  static json write(type value, value_writer& writer) {
    if (!std::isfinite(value)) writer.fail("it is not finite", "Write finite numbers");
    return value;
  }
};

/// A vector: an array of finite numbers.
template <int Length>
struct json_format<real_vector<Length>> {
  using type = typename real_vector<Length>::type;

  /// From what stands in the data.
  static type read(json_view const& from, value_reader& reader) {
    return json_format<list<scalar, Length>>::read(from, reader);
  }
  /// As it stands in the data.
  static json write(type const& values, value_writer& writer) {
    return json_format<list<scalar, Length>>::write(values, writer);
  }
};

/// An image: its pixels, or where they are.
template <int Channels, int Height, int Width>
struct json_format<image<Channels, Height, Width>> {
  using type = typename image<Channels, Height, Width>::type;

  /// From what stands in the data.
  static type read(json_view const& from, value_reader& reader) {
    std::vector<float> numbers(type::size);
    if (from.contains("tensor")) {
      tensor_view const& tensor = reader.tensor(from);
      if (tensor.shape != shape())
        from.fail(fmt::format("the tensor '{}' has shape [{}]", tensor.name, detail::list_of(tensor.shape)),
                  remedy());
      copy_elements(tensor, std::span(numbers));
    } else {
      from.allow_only({"shape", "data"});
      if (!same(from.at("shape").value(), json(shape())))
        from.at("shape").fail(fmt::format("it is {}", from.at("shape").value().dump()), remedy());
      auto const data = from.at("data");
      if (data.size() != numbers.size())
        data.fail(fmt::format("{} numbers stand where {} are expected", data.size(), numbers.size()),
                  remedy());
      for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = data.at(i).template number<float>();
    }
    for (float const x : numbers)
      if (!std::isfinite(x))
        from.fail("a pixel is not finite", "Give finite numbers, nominally from -1 to 1");
    return type(std::move(numbers));
  }

  /// As it stands in the data.
  static json write(type const& pixels, value_writer& writer) {
    if (pixels.empty()) writer.fail("the image is empty", "Give every node of the pair a value");
    for (float const x : pixels.values())
      if (!std::isfinite(x)) writer.fail("a pixel is not finite", "Write finite numbers");
    if (writer.file.empty()) return {{"shape", shape()}, {"data", pixels.values()}};
    writer.tensors.push_back(view_as_tensor(writer.place, shape(), pixels.values()));
    return {{"file", writer.file}, {"tensor", writer.place}};
  }

 private:
  static std::vector<std::int64_t> shape() { return {Height, Width, Channels}; }
  static std::string remedy() {
    return fmt::format("Give an image of shape [{}, {}, {}]: height, width, channels", Height, Width,
                       Channels);
  }
};

namespace detail {

template <class Declaration, class System>
void read_value(json_view const& from, assignment<System>& into, value_reader& reader) {
  get<typename Declaration::name>(into) = json_format<typename Declaration::value>::read(from, reader);
}

template <class Declaration, class System>
json write_value(assignment<System> const& from, value_writer& writer, std::string const& place) {
  writer.place = place;
  return json_format<typename Declaration::value>::write(get<typename Declaration::name>(from), writer);
}

template <class System>
void read_sources(json_view const& from, assignment<System>& into, value_reader& reader) {
  if constexpr (System::source_count == 1) {
    read_value<typename System::template source_at<0>>(from, into, reader);
  } else {
    std::vector<std::string> names;
    for_each_source<System>([&](auto tag) {
      using source = typename decltype(tag)::source;
      names.emplace_back(name_of<typename source::name>());
      read_value<source>(from.at(names.back()), into, reader);
    });
    from.allow_only(names);
  }
}

template <class System>
void read_nodes(json_view const& from, assignment<System>& into, value_reader& reader) {
  std::vector<std::string> names;
  for_each_node<System>([&](auto tag) {
    using node = typename decltype(tag)::node;
    names.emplace_back(name_of<typename node::name>());
    read_value<node>(from.at(names.back()), into, reader);
  });
  from.allow_only(names);
}

template <class System>
json write_sources(assignment<System> const& from, value_writer& writer, std::string const& place) {
  if constexpr (System::source_count == 1) {
    return write_value<typename System::template source_at<0>>(from, writer, place);
  } else {
    json object = json::object();
    for_each_source<System>([&](auto tag) {
      using source = typename decltype(tag)::source;
      std::string const name(name_of<typename source::name>());
      object[name] = write_value<source>(from, writer, place + "/" + name);
    });
    return object;
  }
}

template <class System>
json write_nodes(assignment<System> const& from, value_writer& writer, std::string const& place) {
  json object = json::object();
  for_each_node<System>([&](auto tag) {
    using node = typename decltype(tag)::node;
    std::string const name(name_of<typename node::name>());
    object[name] = write_value<node>(from, writer, place + "/" + name);
  });
  return object;
}

// "pairs.0123456789abcdef.safetensors" beside "pairs.jsonl".
inline bool is_tensor_file_of(std::filesystem::path const& data, std::string_view name) {
  std::string const stem = data.stem().string() + ".";
  std::string_view const ending = ".safetensors";
  if (!name.starts_with(stem) || !name.ends_with(ending) || name.size() != stem.size() + 16 + ending.size())
    return false;
  return name.substr(stem.size(), 16).find_first_not_of("0123456789abcdef") == name.npos;
}

}  // namespace detail

/// Reads preference data for `System`. Both sides of a pair get the prompt's values.
template <class System>
std::vector<preference<System>> read_preferences(std::filesystem::path const& path,
                                                 preference_file_options const& options = {}) {
  std::vector<preference<System>> pairs;
  std::unordered_set<std::uint64_t> ids;
  value_reader reader(path.parent_path(), options.text);
  read_jsonl(path, "preference data", [&](json_view const& line, std::size_t) {
    line.allow_only({"id", "prompt", "chosen", "rejected", "weight", "metadata"});
    preference<System> pair;
    pair.id = line.contains("id") ? line.at("id").unsigned_integer() : pairs.size();
    if (!ids.insert(pair.id).second)
      line.fail(fmt::format("the id {} is taken by a line above", pair.id),
                "Give ids to all lines, each its own, or to none");
    if (line.contains("weight")) pair.weight = line.at("weight").number();
    if (pair.weight < 0) line.at("weight").fail("it is negative", "Swap chosen and rejected instead");
    detail::read_sources(line.at("prompt"), pair.chosen, reader);
    pair.rejected = pair.chosen;
    detail::read_nodes(line.at("chosen"), pair.chosen, reader);
    detail::read_nodes(line.at("rejected"), pair.rejected, reader);
    pairs.push_back(std::move(pair));
  });
  return pairs;
}

/// Writes preference data, wholly or not at all; the prompt is taken from the chosen side. With
/// `images_beside`, images go to
/// "<stem>.<digest of their bytes>.safetensors" in the same folder, so that new images never stand under old
/// lines; the tensor files of earlier data under this path are removed at the end. \throws error on what
/// could not be read back: an id used twice, a weight that is negative or not finite, a missing image.
template <class System>
void write_preferences(std::filesystem::path const& path, std::span<preference<System> const> pairs,
                       preference_file_options const& options = {}) {
  std::unordered_set<std::uint64_t> ids;
  for (auto const& pair : pairs) {
    auto const refuse = [&](std::string const& cause, std::string const& remedy) {
      fail({.thing = "preference to write",
            .place = fmt::format("id {}", pair.id),
            .cause = cause,
            .remedy = remedy});
    };
    if (!ids.insert(pair.id).second) refuse("the id is used twice", "Number the pairs");
    if (!(pair.weight >= 0) || !std::isfinite(pair.weight))
      refuse(fmt::format("its weight is {}", pair.weight), "Give weights that are finite and not negative");
  }

  // Lines need the tensor file's name, which needs the tensors: they are gathered in a first pass.
  value_writer writer{
      .text = &options.text, .place = {}, .file = options.images_beside ? "unnamed" : "", .tensors = {}};
  auto const line_of = [&](preference<System> const& pair) {
    std::string const id = std::to_string(pair.id);
    json line{{"id", pair.id},
              {"prompt", detail::write_sources(pair.chosen, writer, id + "/prompt")},
              {"chosen", detail::write_nodes(pair.chosen, writer, id + "/chosen")},
              {"rejected", detail::write_nodes(pair.rejected, writer, id + "/rejected")}};
    if (pair.weight != 1) line["weight"] = pair.weight;
    return line.dump() + "\n";
  };

  if (options.images_beside) {
    for (auto const& pair : pairs) line_of(pair);
    fnv1a digest;
    for (auto const& tensor : writer.tensors) digest.add(tensor.bytes);
    writer.file = fmt::format("{}.{}.safetensors", path.stem().string(), digest.text());
    if (!writer.tensors.empty()) write_safetensors(path.parent_path() / writer.file, writer.tensors);
  }

  atomic_file file(path);
  for (auto const& pair : pairs) file.write(line_of(pair));
  file.commit();

  auto const folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  std::error_code ignored;  // what cannot be removed is litter, no fault
  for (auto const& entry : std::filesystem::directory_iterator(folder, ignored)) {
    std::string const name = entry.path().filename().string();
    if (detail::is_tensor_file_of(path, name) && name != writer.file)
      std::filesystem::remove(entry.path(), ignored);
  }
}

}  // namespace sysdpo
