#include "../../examples/progression/picture.hpp"

#include <iterator>

#include "support/catch.hpp"

using namespace progression;

namespace {

std::vector<std::uint8_t> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

std::vector<rgb> decode_png(std::vector<std::uint8_t> const& bytes, int width, int height) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_memory(&header, bytes.data(), bytes.size()) != 0);
  REQUIRE(header.width == static_cast<png_uint_32>(width));
  REQUIRE(header.height == static_cast<png_uint_32>(height));
  header.format = PNG_FORMAT_RGB;
  std::vector<rgb> pixels(static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  REQUIRE(png_image_finish_read(&header, nullptr, pixels.data(), 0, nullptr) != 0);
  return pixels;
}

}  // namespace

TEST_CASE("Base64 agrees with the vectors of RFC 4648") {
  CHECK(base64(bytes_of("")).empty());
  CHECK(base64(bytes_of("f")) == "Zg==");
  CHECK(base64(bytes_of("fo")) == "Zm8=");
  CHECK(base64(bytes_of("foo")) == "Zm9v");
  CHECK(base64(bytes_of("foobar")) == "Zm9vYmFy");
  CHECK(base64(std::vector<std::uint8_t>{0xff, 0xfe, 0xfd}) == "//79");
}

TEST_CASE("A PNG decodes to the canvas it was made from") {
  canvas image(5, 3, {1, 2, 3});
  image.set(4, 2, {250, 128, 7});
  image.set(5, 3, {9, 9, 9});
  auto const pixels = decode_png(encode_png(image), 5, 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    CHECK(pixels[i].red == image.pixels()[i].red);
    CHECK(pixels[i].green == image.pixels()[i].green);
    CHECK(pixels[i].blue == image.pixels()[i].blue);
  }
  CHECK(pixels.back().red == 250);
  CHECK(data_uri(image).rfind("data:image/png;base64,iVBORw0KGgo", 0) == 0);
}

TEST_CASE("A picture is drawn to scale, from minus one as black to one as white") {
  std::vector<float> image(image_values, -1.0F);
  image[0] = image[1] = image[2] = 1.0F;
  canvas to(image_size * 2 + 1, image_size * 2 + 1, {9, 9, 9});
  draw_picture(to, image, 1, 1, 2);
  auto const at = [&](int x, int y) {
    return to.pixels()[static_cast<std::size_t>(y * to.width() + x)].green;
  };
  CHECK(at(0, 0) == 9);
  CHECK(at(1, 1) == 255);
  CHECK(at(2, 2) == 255);
  CHECK(at(3, 1) == 0);
  CHECK(at(to.width() - 1, to.height() - 1) == 0);
  CHECK_THROWS_AS(draw_picture(to, std::vector<float>(7), 0, 0, 1), sysdpo::error);
}

TEST_CASE("The grid of sequences has room for every row and panel") {
  std::vector<float> const image(image_values, 0.0F);
  strip_pair const row{.prompt = "a lake",
                       .increasing = true,
                       .before = {.images = {3, image}},
                       .after = {.images = {3, image}}};
  canvas const one = draw_sequences(std::vector{row});
  canvas const two = draw_sequences(std::vector{row, row});
  CHECK(one.width() == two.width());
  CHECK(one.width() > 6 * 6 * image_size);
  CHECK(two.height() - one.height() > 6 * image_size);
}
