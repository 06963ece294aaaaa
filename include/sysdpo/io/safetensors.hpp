// The safetensors format: an 8-byte little-endian header length, a JSON header {"name": {"dtype", "shape",
// "data_offsets": [begin, end)}, ..., "__metadata__": {"key": "value"}}, then the tensors' bytes, row-major
// and little-endian, one after another without holes. https://huggingface.co/docs/safetensors gives the
// format; this is an implementation of our own.
//
// Reading maps the file and copies nothing: views live as long as their file object (moving it is fine).
// Everything is checked before the first view is given out, so that no bytes, however wrong, lead outside the
// file. Writing streams from the caller's memory and is atomic.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sysdpo/core/error.hpp"
#include "sysdpo/core/scalar.hpp"
#include "sysdpo/io/file.hpp"
#include "sysdpo/io/json.hpp"

namespace sysdpo {

static_assert(std::endian::native == std::endian::little,
              "safetensors are mapped as they are: little-endian");

/// Element types, as safetensors names them.
enum class dtype { boolean, u8, i8, f8_e5m2, f8_e4m3, i16, u16, f16, bf16, i32, u32, f32, i64, u64, f64 };

namespace detail {

struct dtype_entry {
  std::string_view name;
  std::size_t size;
};

// In the order of `dtype`.
inline constexpr std::array<dtype_entry, 15> dtype_table{{{"BOOL", 1},
                                                          {"U8", 1},
                                                          {"I8", 1},
                                                          {"F8_E5M2", 1},
                                                          {"F8_E4M3", 1},
                                                          {"I16", 2},
                                                          {"U16", 2},
                                                          {"F16", 2},
                                                          {"BF16", 2},
                                                          {"I32", 4},
                                                          {"U32", 4},
                                                          {"F32", 4},
                                                          {"I64", 8},
                                                          {"U64", 8},
                                                          {"F64", 8}}};

}  // namespace detail

/// "F32", "BF16" ...
[[nodiscard]] constexpr std::string_view name_of(dtype type) {
  return detail::dtype_table[static_cast<std::size_t>(type)].name;
}

/// Bytes an element.
[[nodiscard]] constexpr std::size_t size_of(dtype type) {
  return detail::dtype_table[static_cast<std::size_t>(type)].size;
}

/// The dtype of elements of type T.
template <class T>
[[nodiscard]] constexpr dtype dtype_of() {
  if constexpr (std::same_as<T, float>)
    return dtype::f32;
  else if constexpr (std::same_as<T, double>)
    return dtype::f64;
  else if constexpr (std::same_as<T, sysdpo::bf16>)
    return dtype::bf16;
  else if constexpr (std::same_as<T, half>)
    return dtype::f16;
  else if constexpr (std::same_as<T, std::uint8_t>)
    return dtype::u8;
  else if constexpr (std::same_as<T, std::int32_t>)
    return dtype::i32;
  else if constexpr (std::same_as<T, std::int64_t>)
    return dtype::i64;
  else
    static_assert(!sizeof(T), "sysdpo: no safetensors dtype for this element type");
}

/// A named N-d array somewhere in memory: row-major, `bytes.size()` = product of `shape` x size of an
/// element. Owns no data.
struct tensor_view {
  std::string name;
  dtype type = dtype::f32;
  std::vector<std::int64_t> shape;
  std::span<std::byte const> bytes;

  /// The number of elements.
  [[nodiscard]] std::size_t size() const { return bytes.size() / size_of(type); }
};

/// Views `values` as a tensor to write.
template <class T>
[[nodiscard]] tensor_view view_as_tensor(std::string name, std::vector<std::int64_t> shape,
                                         std::span<T const> values) {
  return {std::move(name), dtype_of<T>(), std::move(shape), std::as_bytes(values)};
}

namespace detail {

template <class T>
inline constexpr bool is_floating = std::floating_point<T> || std::same_as<T, bf16> || std::same_as<T, half>;

template <class T, class Stored>
T convert_element(Stored element) {
  if constexpr (std::same_as<T, Stored>) {
    return element;
  } else if constexpr (std::floating_point<Stored>) {
    return static_cast<T>(static_cast<std::conditional_t<std::floating_point<T>, T, float>>(element));
  } else {
    return static_cast<T>(static_cast<float>(element));
  }
}

template <class Stored, class T>
void convert_elements(std::byte const* from, std::span<T> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored element;
    std::memcpy(&element, from + i * sizeof(Stored), sizeof(Stored));  // it need not be aligned
    out[i] = convert_element<T>(element);
  }
}

}  // namespace detail

/// Copies a tensor's elements to `out`, which must have as many. Floating-point dtypes convert to one
/// another, rounding to nearest even (F64 to 16 bits by way of float); any other dtype must be T's own.
template <class T>
void copy_elements(tensor_view const& from, std::span<T> out) {
  auto const refuse = [&](std::string cause, std::string remedy) {
    fail({.thing = "tensor", .place = from.name, .cause = std::move(cause), .remedy = std::move(remedy)});
  };
  if (from.size() != out.size())
    refuse(fmt::format("it has {} elements where {} are wanted", from.size(), out.size()),
           "Use weights that fit this configuration");
  std::byte const* const bytes = from.bytes.data();
  if (from.type == dtype_of<T>()) return detail::convert_elements<T>(bytes, out);
  if constexpr (detail::is_floating<T>) {
    if (from.type == dtype::f32) return detail::convert_elements<float>(bytes, out);
    if (from.type == dtype::f64) return detail::convert_elements<double>(bytes, out);
    if (from.type == dtype::bf16) return detail::convert_elements<bf16>(bytes, out);
    if (from.type == dtype::f16) return detail::convert_elements<half>(bytes, out);
  }
  refuse(fmt::format("its elements are {}, which do not convert to {}", name_of(from.type),
                     name_of(dtype_of<T>())),
         "Store it with the expected dtype");
}

/// Metadata: text by name.
using string_map = std::map<std::string, std::string>;

namespace detail {

inline constexpr std::uint64_t largest_header = 100'000'000;  // the format's own limit

[[noreturn]] inline void fail_safetensors(std::filesystem::path const& path, std::string const& tensor,
                                          std::string cause, std::string remedy) {
  fail({.thing = "safetensors file",
        .place = tensor.empty() ? path.string() : fmt::format("{}, tensor '{}'", path.string(), tensor),
        .cause = std::move(cause),
        .remedy = std::move(remedy)});
}

/// "2, 3, 4". (fmt::join costs every translation unit a tenth of a second.)
inline std::string list_of(std::vector<std::int64_t> const& shape) {
  std::string text;
  for (std::int64_t const extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return text;
}

// The bytes that shape and type ask for; false where they exceed 64 bits.
inline bool count_bytes(std::vector<std::int64_t> const& shape, dtype type, std::uint64_t& bytes) {
  bytes = size_of(type);
  for (std::int64_t const extent : shape)
    if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes)) return false;
  return true;
}

}  // namespace detail

/// Writes `tensors` and `metadata` to `path`, wholly or not at all. Names must be distinct. Tensors are laid
/// out by element size, largest first, then by name, and the header is padded, so that every tensor is
/// aligned in the file.
inline void write_safetensors(std::filesystem::path const& path, std::span<tensor_view const> tensors,
                              string_map const& metadata = {}) {
  std::vector<tensor_view const*> order;
  for (auto const& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](tensor_view const* a, tensor_view const* b) {
    return size_of(a->type) != size_of(b->type) ? size_of(a->type) > size_of(b->type) : a->name < b->name;
  });

  json header = json::object();
  for (auto const& [key, value] : metadata) header["__metadata__"][key] = value;
  std::uint64_t offset = 0;
  for (tensor_view const* tensor : order) {
    std::uint64_t bytes = 0;
    if (!detail::count_bytes(tensor->shape, tensor->type, bytes) || bytes != tensor->bytes.size())
      detail::fail_safetensors(
          path, tensor->name,
          fmt::format("shape [{}] of {} does not describe {} bytes", detail::list_of(tensor->shape),
                      name_of(tensor->type), tensor->bytes.size()),
          "Give the shape of the data");
    if (tensor->name == "__metadata__" || header.contains(tensor->name))
      detail::fail_safetensors(path, tensor->name, "the name is taken", "Give each tensor a name of its own");
    json& entry = header[tensor->name];
    entry["dtype"] = std::string(name_of(tensor->type));
    json& extents = entry["shape"] = json::array();
    for (std::int64_t const extent : tensor->shape) extents.push_back(extent);
    json& place = entry["data_offsets"] = json::array();
    place.push_back(offset);
    place.push_back(offset + bytes);
    offset += bytes;
  }

  std::string text;
  try {
    text = header.dump();
  } catch (json::exception const&) {
    detail::fail_safetensors(path, "", "a tensor's name or a metadata entry is not UTF-8",
                             "Use names in UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::uint64_t const length = text.size();
  if (length > detail::largest_header)
    detail::fail_safetensors(path, "", fmt::format("its header would have {} bytes", length),
                             "Keep names and metadata below 100 MB");

  atomic_file file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(text);
  for (tensor_view const* tensor : order) file.write(tensor->bytes);
  file.commit();
}

/// A safetensors file, mapped and checked. What its views show lives as long as it does.
class safetensors_file {
 public:
  /// Throws `error`, naming file and tensor, for whatever is wrong with the file.
  explicit safetensors_file(std::filesystem::path path) : path_(std::move(path)), file_(path_) { parse(); }

  [[nodiscard]] std::filesystem::path const& path() const noexcept { return path_; }
  [[nodiscard]] string_map const& metadata() const noexcept { return metadata_; }

  /// All tensors, by name in lexicographic order.
  [[nodiscard]] std::map<std::string, tensor_view, std::less<>> const& tensors() const noexcept {
    return tensors_;
  }

  /// The names of all tensors, in lexicographic order.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (auto const& [name, tensor] : tensors_) all.push_back(name);
    return all;
  }

  [[nodiscard]] bool contains(std::string_view name) const { return tensors_.contains(name); }

  /// The tensor called `name`; fails if there is none.
  [[nodiscard]] tensor_view const& find(std::string_view name) const {
    auto const found = tensors_.find(name);
    if (found == tensors_.end())
      refuse(std::string(name), "there is no such tensor", "Use a file of the same model and configuration");
    return found->second;
  }

 private:
  [[noreturn]] void refuse(std::string const& tensor, std::string cause, std::string remedy) const {
    detail::fail_safetensors(path_, tensor, std::move(cause), std::move(remedy));
  }

  void parse() {
    std::string const again = "Fetch or write the file again";
    auto const bytes = file_.bytes();
    std::uint64_t header_size = 0;
    if (bytes.size() < sizeof(header_size))
      refuse("", fmt::format("it has {} bytes, fewer than a header's length takes", bytes.size()), again);
    std::memcpy(&header_size, bytes.data(), sizeof(header_size));
    if (header_size > detail::largest_header)
      refuse("", fmt::format("a header of {} bytes is announced, more than the format allows", header_size),
             again);
    if (header_size > bytes.size() - sizeof(header_size))
      refuse("",
             fmt::format("it is truncated: a header of {} bytes is announced, {} are there", header_size,
                         bytes.size() - sizeof(header_size)),
             again);
    std::string_view const text(reinterpret_cast<char const*>(bytes.data()) + sizeof(header_size),
                                header_size);
    if (!text.starts_with('{')) refuse("", "its header does not begin with '{'", again);
    json const header = parse_json(text, "safetensors file", path_.string());
    auto const data = bytes.subspan(sizeof(header_size) + header_size);

    for (auto member = header.begin(); member != header.end(); ++member) {
      std::string const& name = member.key();
      json_view const view(member.value(), "safetensors file",
                           fmt::format("{}, tensor '{}'", path_.string(), name));
      if (name == "__metadata__") {
        for (auto entry = view.object().begin(); entry != view.object().end(); ++entry)
          metadata_[entry.key()] = view.at(entry.key()).string();
      } else {
        tensors_.emplace(name, parse_tensor(name, view, data));
      }
    }
    check_coverage(data);
  }

  tensor_view parse_tensor(std::string const& name, json_view const& entry,
                           std::span<std::byte const> data) const {
    entry.allow_only({"dtype", "shape", "data_offsets"});
    tensor_view tensor{.name = name, .type = parse_dtype(entry.at("dtype")), .shape = {}, .bytes = {}};
    auto const shape = entry.at("shape");
    for (std::size_t i = 0; i < shape.size(); ++i)
      tensor.shape.push_back(shape.at(i).integer<std::int64_t>(0));

    auto const offsets = entry.at("data_offsets");
    if (offsets.size() != 2) offsets.fail("it does not hold two numbers", "Write [begin, end]");
    std::uint64_t const begin = offsets.at(std::size_t{0}).unsigned_integer();
    std::uint64_t const end = offsets.at(std::size_t{1}).unsigned_integer();
    if (begin > end || end > data.size())
      offsets.fail(fmt::format("[{}, {}) lies outside the {} bytes of data", begin, end, data.size()),
                   "The file is truncated or damaged: fetch or write it again");
    std::uint64_t bytes = 0;
    if (!detail::count_bytes(tensor.shape, tensor.type, bytes))
      shape.fail("its product exceeds 64 bits", "Fetch or write the file again");
    if (bytes != end - begin)
      entry.fail(fmt::format("shape [{}] of {} takes {} bytes, but {} are given",
                             detail::list_of(tensor.shape), name_of(tensor.type), bytes, end - begin),
                 "Fetch or write the file again");
    tensor.bytes = data.subspan(begin, end - begin);
    return tensor;
  }

  static dtype parse_dtype(json_view const& entry) {
    std::string const name = entry.string();
    auto const found =
        std::ranges::find(detail::dtype_table, std::string_view(name), &detail::dtype_entry::name);
    if (found == detail::dtype_table.end())
      entry.fail(fmt::format("the dtype '{}' is not known", name), "Convert the file to F32, BF16 or F16");
    return static_cast<dtype>(found - detail::dtype_table.begin());
  }

  // Tensors may neither overlap nor leave bytes between or after them that nobody owns.
  void check_coverage(std::span<std::byte const> data) const {
    std::vector<tensor_view const*> order;
    for (auto const& [name, tensor] : tensors_) order.push_back(&tensor);
    std::sort(order.begin(), order.end(), [](tensor_view const* a, tensor_view const* b) {
      return a->bytes.data() != b->bytes.data() ? a->bytes.data() < b->bytes.data()
                                                : a->bytes.size() < b->bytes.size();
    });
    std::byte const* expected = data.data();
    for (tensor_view const* tensor : order) {
      if (tensor->bytes.data() != expected)
        refuse(tensor->name,
               tensor->bytes.data() < expected ? "it overlaps another tensor"
                                               : "there is a hole before its data",
               "Fetch or write the file again");
      expected += tensor->bytes.size();
    }
    if (expected != data.data() + data.size())
      refuse("", fmt::format("{} bytes at its end belong to no tensor", data.data() + data.size() - expected),
             "Fetch or write the file again");
  }

  std::filesystem::path path_;
  mapped_file file_;
  string_map metadata_;
  std::map<std::string, tensor_view, std::less<>> tensors_;
};

/// The weights in a model's folder: "model.safetensors", or the shards that "model.safetensors.index.json"
/// lists in its "weight_map" {tensor: file}. What its views show lives as long as it does.
class safetensors_folder {
 public:
  /// \throws error if neither weights nor index are there, or a shard is not as the index says.
  explicit safetensors_folder(std::filesystem::path const& folder) : folder_(folder) {
    auto const index_path = folder / "model.safetensors.index.json";
    if (!std::filesystem::exists(index_path)) {
      files_.emplace_back(folder / "model.safetensors");
      for (auto const& [name, tensor] : files_.front().tensors()) tensors_.emplace(name, &tensor);
      return;
    }
    json_file const index(index_path, "safetensors index");
    auto const weight_map = index.root().at("weight_map");
    std::map<std::string, safetensors_file const*> shards;
    for (auto member = weight_map.object().begin(); member != weight_map.object().end(); ++member) {
      std::string const& name = member.key();
      auto const entry = weight_map.at(name);
      std::string const shard = entry.string();
      if (shard.empty() || shard.starts_with('.') || shard.find('/') != shard.npos)
        entry.fail(fmt::format("'{}' is not the name of a file in this folder", shard),
                   "Name a file beside the index");
      auto& file = shards[shard];
      if (file == nullptr) file = &files_.emplace_back(folder / shard);
      tensors_.emplace(name, &file->find(name));
    }
  }

  /// The names of all tensors, in lexicographic order.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (auto const& [name, tensor] : tensors_) all.push_back(name);
    return all;
  }

  [[nodiscard]] bool contains(std::string_view name) const { return tensors_.contains(name); }

  /// The tensor called `name`; fails if there is none.
  [[nodiscard]] tensor_view const& find(std::string_view name) const {
    auto const found = tensors_.find(name);
    if (found == tensors_.end())
      detail::fail_safetensors(folder_, std::string(name), "there is no such tensor",
                               "Use weights of the same model and configuration");
    return *found->second;
  }

 private:
  std::filesystem::path folder_;
  std::deque<safetensors_file> files_;  // a deque: tensors stay where they are
  std::map<std::string, tensor_view const*, std::less<>> tensors_;
};

}  // namespace sysdpo
