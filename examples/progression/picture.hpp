// Pictures for people: 8-bit RGB canvases, a small bitmap font, grids of image strips, PNG files and data
// URIs. A PNG is encoded in memory.
#pragma once

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sysdpo/core/error.hpp>

#include "scene.hpp"

namespace progression {

/// A colour of a canvas.
struct rgb {
  std::uint8_t red = 0, green = 0, blue = 0;
};

/// An image to draw on, rows from the top.
class canvas {
 public:
  canvas(int width, int height, rgb background)
      : width_(width),
        height_(height),
        pixels_(static_cast<std::size_t>(width) * static_cast<std::size_t>(height), background) {}

  [[nodiscard]] int width() const { return width_; }
  [[nodiscard]] int height() const { return height_; }
  [[nodiscard]] std::span<rgb const> pixels() const { return pixels_; }

  /// Pixels outside the canvas are ignored.
  void set(int x, int y, rgb color) {
    if (x < 0 || y < 0 || x >= width_ || y >= height_) return;
    pixels_[static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x)] =
        color;
  }

  void fill(int x, int y, int width, int height, rgb color) {
    for (int j = y; j < y + height; ++j)
      for (int i = x; i < x + width; ++i) set(i, j, color);
  }

 private:
  int width_;
  int height_;
  std::vector<rgb> pixels_;
};

/// Draws `image` (height × width × RGB in [−1, 1]) with each pixel `scale` wide, corner
/// at (x, y).
inline void draw_picture(canvas& to, std::span<float const> image, int x, int y, int scale) {
  if (image.size() != image_values)
    sysdpo::fail(
        {.thing = "picture to draw",
         .place = fmt::format("{} values", image.size()),
         .cause = fmt::format("a picture has {} × {} × {} values", image_size, image_size, image_channels),
         .remedy = "Pass one image at a time"});
  auto const byte = [](float value) {
    return static_cast<std::uint8_t>(std::clamp(127.5F * (value + 1.0F) + 0.5F, 0.0F, 255.0F));
  };
  for (int row = 0; row < image_size; ++row)
    for (int column = 0; column < image_size; ++column) {
      auto const at = image.subspan(static_cast<std::size_t>((row * image_size + column) * image_channels));
      to.fill(x + column * scale, y + row * scale, scale, scale, {byte(at[0]), byte(at[1]), byte(at[2])});
    }
}

namespace detail {

/// Five columns a letter, bit 0 at the top, bit 6 on the base line, bit 7 for the tails below it.
inline std::array<std::uint8_t, 5> glyph(char letter) {
  static constexpr std::array<std::array<std::uint8_t, 5>, 26> letters{{
      {0x20, 0x54, 0x54, 0x54, 0x78}, {0x7f, 0x48, 0x44, 0x44, 0x38}, {0x38, 0x44, 0x44, 0x44, 0x28},
      {0x38, 0x44, 0x44, 0x48, 0x7f}, {0x38, 0x54, 0x54, 0x54, 0x18}, {0x00, 0x08, 0x7e, 0x09, 0x02},
      {0x18, 0xa4, 0xa4, 0xa4, 0x7c}, {0x7f, 0x08, 0x04, 0x04, 0x78}, {0x00, 0x44, 0x7d, 0x40, 0x00},
      {0x00, 0x80, 0x80, 0x7d, 0x00}, {0x7f, 0x10, 0x28, 0x44, 0x00}, {0x00, 0x41, 0x7f, 0x40, 0x00},
      {0x7c, 0x04, 0x78, 0x04, 0x78}, {0x7c, 0x08, 0x04, 0x04, 0x78}, {0x38, 0x44, 0x44, 0x44, 0x38},
      {0xfc, 0x24, 0x24, 0x24, 0x18}, {0x18, 0x24, 0x24, 0x24, 0xfc}, {0x7c, 0x08, 0x04, 0x04, 0x08},
      {0x48, 0x54, 0x54, 0x54, 0x24}, {0x04, 0x04, 0x3f, 0x44, 0x24}, {0x3c, 0x40, 0x40, 0x20, 0x7c},
      {0x1c, 0x20, 0x40, 0x20, 0x1c}, {0x3c, 0x40, 0x30, 0x40, 0x3c}, {0x44, 0x28, 0x10, 0x28, 0x44},
      {0x1c, 0xa0, 0xa0, 0xa0, 0x7c}, {0x44, 0x64, 0x54, 0x4c, 0x44},
  }};
  if (letter >= 'a' && letter <= 'z') return letters[static_cast<std::size_t>(letter - 'a')];
  return {};
}

}  // namespace detail

inline constexpr int letter_advance = 6;

/// Writes lower-case `text` with letters 5 × 8 `scale`; other characters leave a blank.
inline void draw_text(canvas& to, std::string_view text, int x, int y, int scale, rgb color) {
  for (char const letter : text) {
    auto const columns = detail::glyph(letter);
    for (int i = 0; i < 5; ++i)
      for (int j = 0; j < 8; ++j)
        if ((columns[static_cast<std::size_t>(i)] >> j & 1) != 0)
          to.fill(x + i * scale, y + j * scale, scale, scale, color);
    x += letter_advance * scale;
  }
}

/// One sequence as shown to people: its images (height × width × RGB in [−1, 1]), and for each its caption
/// and the regressor's reading of the prompt's attribute. A malformed sequence may lack any of them.
struct strip {
  std::vector<std::vector<float>> images{};
  std::vector<std::string> captions{};
  std::vector<float> readings{};
};

/// One prompt's sequences before and after alignment.
struct strip_pair {
  std::string prompt{};
  bool increasing = true;
  strip before{};
  strip after{};
};

/// The grid of all prompts: a line of text a row, then the images before on the left and after on the right.
inline canvas draw_sequences(std::span<strip_pair const> rows, int scale = 6) {
  rgb const paper{250, 249, 246}, ink{52, 56, 64}, faint{138, 142, 150};
  int const side = image_size * scale, gap = scale, margin = 4 * scale, gutter = 5 * scale, line = 20;
  std::size_t panels = 3;
  for (auto const& row : rows) panels = std::max({panels, row.before.images.size(), row.after.images.size()});
  int const half = static_cast<int>(panels) * (side + gap) - gap;
  int const row_height = line + side + 3 * scale;
  canvas to(2 * margin + 2 * half + gutter, 2 * margin + line + row_height * static_cast<int>(rows.size()),
            paper);
  int const right = margin + half + gutter;
  draw_text(to, "before", margin, margin - 6, 2, ink);
  draw_text(to, "after", right, margin - 6, 2, ink);
  int y = margin + line;
  for (auto const& row : rows) {
    draw_text(to, row.prompt, margin, y + 4, 1, faint);
    for (auto const& [images, x] :
         {std::pair(&row.before.images, margin), std::pair(&row.after.images, right)})
      for (std::size_t i = 0; i < images->size(); ++i)
        draw_picture(to, (*images)[i], x + static_cast<int>(i) * (side + gap), y + line, scale);
    y += row_height;
  }
  return to;
}

/// Every attribute at its five levels, each in a scene that changes in nothing else: two columns of rows.
inline canvas draw_attributes(int scale = 3) {
  rgb const paper{250, 249, 246}, ink{52, 56, 64};
  int const side = image_size * scale, gap = scale, margin = 2 * scale, label = 33 * scale;
  int const rows = (attribute_count + 1) / 2, half = label + level_count * (side + gap) + 2 * gap;
  canvas to(2 * margin + 2 * half, 2 * margin + rows * (side + gap) - gap, paper);
  for (int a = 0; a < attribute_count; ++a) {
    int const x = margin + a / rows * half, y = margin + a % rows * (side + gap);
    draw_text(to, attributes[static_cast<std::size_t>(a)].name, x, y + side / 2 - 4, 1, ink);
    random_stream random(static_cast<std::uint64_t>(a));
    auto shown = natural_scene(a % place_count, random);
    for (int level = 0; level < level_count; ++level) {
      shown.level[static_cast<std::size_t>(a)] = level_value(level);
      draw_picture(to, render(shown), x + label + level * (side + gap), y, scale);
    }
  }
  return to;
}

/// `image` as a PNG file's bytes. Throws `sysdpo::error` if libpng cannot encode it.
inline std::vector<std::uint8_t> encode_png(canvas const& image) {
  static_assert(sizeof(rgb) == 3);
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width());
  header.height = static_cast<png_uint_32>(image.height());
  header.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  std::vector<std::uint8_t> bytes;
  auto const encode = [&](void* to) {
    if (png_image_write_to_memory(&header, to, &size, 0, image.pixels().data(), 0, nullptr) != 0) return;
    std::string const message = static_cast<char const*>(header.message);
    png_image_free(&header);
    sysdpo::fail({.thing = "PNG image",
                  .place = fmt::format("{} × {} pixels", image.width(), image.height()),
                  .cause = "libpng could not encode it: " + message,
                  .remedy = "Draw a smaller picture"});
  };
  encode(nullptr);  // measures
  bytes.resize(size);
  encode(bytes.data());
  bytes.resize(size);
  return bytes;
}

/// Base64 with padding (RFC 4648).
inline std::string base64(std::span<std::uint8_t const> bytes) {
  static constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::size_t const left = bytes.size() - i;
    std::uint32_t group = static_cast<std::uint32_t>(bytes[i]) << 16U;
    if (left > 1) group |= static_cast<std::uint32_t>(bytes[i + 1]) << 8U;
    if (left > 2) group |= bytes[i + 2];
    text += digits[group >> 18U & 63U];
    text += digits[group >> 12U & 63U];
    text += left > 1 ? digits[group >> 6U & 63U] : '=';
    text += left > 2 ? digits[group & 63U] : '=';
  }
  return text;
}

/// `image` as a data URI that HTML can embed.
inline std::string data_uri(canvas const& image) {
  return "data:image/png;base64," + base64(encode_png(image));
}

}  // namespace progression
