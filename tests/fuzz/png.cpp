// Arbitrary pixels and texts as a PNG of the progression: libpng reads the pixels back, and base64 has the
// length that it must have. The input is the width, the height, a scale, then pixels, which are also drawn as
// letters.
#include "input.hpp"
#include "progression/picture.hpp"

void run_one(std::string_view input) {
  if (input.size() < 3) return;
  auto const number = [&](std::size_t at) { return static_cast<unsigned char>(input[at]); };
  progression::canvas image(number(0) % 65, number(1) % 65, {250, 249, 246});
  int const scale = number(2) % 4;
  input.remove_prefix(3);
  for (std::size_t i = 0; i + 2 < input.size(); i += 3) {
    auto const at = static_cast<int>(i / 3);
    image.set(at % 65, at / 65, {number(i), number(i + 1), number(i + 2)});
  }
  progression::draw_text(image, input, static_cast<int>(input.size()) - 100, scale, scale, {0, 0, 0});
  fuzz::accepts([&] {
    auto const bytes = progression::encode_png(image);
    fuzz::demand(progression::base64(bytes).size() == (bytes.size() + 2) / 3 * 4,
                 "base64 has four digits for three bytes");
    png_image header{};
    header.version = PNG_IMAGE_VERSION;
    fuzz::demand(png_image_begin_read_from_memory(&header, bytes.data(), bytes.size()) != 0,
                 "libpng reads it");
    header.format = PNG_FORMAT_RGB;
    std::vector<progression::rgb> pixels(image.pixels().size());
    fuzz::demand(png_image_finish_read(&header, nullptr, pixels.data(), 0, nullptr) != 0,
                 "libpng decodes it");
    fuzz::demand(std::ranges::equal(
                     pixels, image.pixels(),
                     [](auto a, auto b) { return a.red == b.red && a.green == b.green && a.blue == b.blue; }),
                 "pixels survive");
  });
}
