// Value types: what may flow along an edge of a system.
//
// A value type is any struct with a nested `type`, the C++ type that holds one value; it must be
// default-constructible (the default is "no value yet") and copyable. The ones below cover language, images
// and tables; users add their own. Two members are optional: `static std::string describe()` for pictures and
// messages, and `element` with `length` for lists.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sysdpo/core/error.hpp"

namespace sysdpo {

/// A struct whose nested `type` can hold one value.
template <class Value>
concept value_type = requires { typename Value::type; } && std::copyable<typename Value::type> &&
                     std::default_initializable<typename Value::type>;

/// A value type made of exactly `length` values of type `element`, reached by `operator[]`: what `part<Name,
/// K>` may select from.
template <class Value>
concept list_value = value_type<Value> && requires(typename Value::type const& values) {
  requires value_type<typename Value::element>;
  { Value::length } -> std::convertible_to<int>;
  { values[std::size_t{}] } -> std::same_as<typename Value::element::type const&>;
};

/// A text as token ids.
struct text {
  using type = std::vector<std::int32_t>;
  static std::string describe() { return "text"; }
};

/// One of `Categories` possibilities, 0 … Categories − 1.
template <int Categories>
struct category {
  static_assert(Categories > 0, "sysdpo graph: a category needs at least one possibility");
  static constexpr int categories = Categories;
  using type = int;
  static std::string describe() { return "category of " + std::to_string(Categories); }
};

/// A real number, as tools return them.
struct scalar {
  using type = double;
  static std::string describe() { return "scalar"; }
};

/// `Length` real numbers, as tools return them.
template <int Length>
struct real_vector {
  static_assert(Length > 0, "sysdpo graph: a real vector needs at least one number");
  static constexpr int length = Length;
  using type = std::array<double, static_cast<std::size_t>(Length)>;
  static std::string describe() { return "vector of " + std::to_string(Length); }
};

/// The pixels of one image: Height × Width × Channels numbers, channels innermost (HWC), nominally in [−1,
/// 1]. Default-constructed it is empty; otherwise it always has its full size.
template <int Channels, int Height, int Width>
class pixels {
 public:
  static constexpr int channels = Channels;
  static constexpr int height = Height;
  static constexpr int width = Width;
  /// How many numbers an image has.
  static constexpr std::size_t size =
      static_cast<std::size_t>(Height) * static_cast<std::size_t>(Width) * static_cast<std::size_t>(Channels);

  pixels() = default;

  /// Takes the numbers in HWC order; throws `error` unless there are exactly `size`.
  explicit pixels(std::vector<float> values) : values_(std::move(values)) {
    if (values_.size() != size) {
      fail({.thing = "image",
            .place = std::to_string(Height) + " x " + std::to_string(Width) + ", " +
                     std::to_string(Channels) + " channels",
            .cause = "got " + std::to_string(values_.size()) + " numbers instead of " + std::to_string(size),
            .remedy = "Give height x width x channels numbers, channels innermost"});
    }
  }

  [[nodiscard]] bool empty() const noexcept { return values_.empty(); }

  /// All numbers in HWC order; no numbers while empty.
  [[nodiscard]] std::span<float const> values() const noexcept { return values_; }
  [[nodiscard]] std::span<float> values() noexcept { return values_; }

  /// One number; the image must not be empty and the place must lie within it.
  [[nodiscard]] float operator()(int row, int column, int channel) const {
    return values_[at(row, column, channel)];
  }
  /// The same, to be changed.
  [[nodiscard]] float& operator()(int row, int column, int channel) {
    return values_[at(row, column, channel)];
  }

  bool operator==(pixels const&) const = default;

 private:
  static constexpr std::size_t at(int row, int column, int channel) {
    return static_cast<std::size_t>((row * Width + column) * Channels + channel);
  }

  std::vector<float> values_;
};

/// An image of static size. Template arguments in the order that names sizes in the field: channels, height,
/// width.
template <int Channels, int Height, int Width>
struct image {
  static_assert(Channels > 0 && Height > 0 && Width > 0, "sysdpo graph: an image needs positive sizes");
  static constexpr int channels = Channels;
  static constexpr int height = Height;
  static constexpr int width = Width;
  using type = pixels<Channels, Height, Width>;
  static constexpr std::size_t size = type::size;
  /// What it is, in words.
  static std::string describe() {
    return "image " + std::to_string(Height) + " x " + std::to_string(Width) + " x " +
           std::to_string(Channels);
  }
};

/// What `Value` is, in words: its own `describe()`, or nothing where a user's value type has none.
template <value_type Value>
std::string describe() {
  if constexpr (requires { Value::describe(); }) {
    return Value::describe();
  } else {
    return {};
  }
}

/// `Length` values of one type, such as three captions. `part<Name, K>` hands element K to a child.
template <value_type Value, int Length>
struct list {
  static_assert(Length > 0, "sysdpo graph: a list needs at least one element");
  static constexpr int length = Length;
  using element = Value;
  using type = std::array<typename Value::type, static_cast<std::size_t>(Length)>;
  /// What it is, in words.
  static std::string describe() {
    std::string const inner = sysdpo::describe<Value>();
    return "list of " + std::to_string(Length) + (inner.empty() ? "" : " x " + inner);
  }
};

}  // namespace sysdpo
