#include "sysdpo/graph/hash_values.hpp"

#include "stand_ins.hpp"
#include "support/catch.hpp"

namespace {

struct prompt {
  static constexpr auto name = "prompt";
};
struct writer {
  static constexpr auto name = "writer";
};
struct panel {
  static constexpr auto name = "panel";
};
using author =
    stand_in::autoregressive<stand_in::language_model<struct author_weights>, sysdpo::list<sysdpo::text, 2>>;
using picture = sysdpo::image<1, 1, 2>;
using painter = stand_in::denoising<stand_in::diffusion_model<struct painter_weights>, picture>;
using story =
    sysdpo::system<sysdpo::source<prompt, sysdpo::text>, sysdpo::node<writer, author, sysdpo::from<prompt>>,
                   sysdpo::node<panel, painter, sysdpo::from<sysdpo::part<writer, 0>>>>;

sysdpo::preference<story> some_pair() {
  sysdpo::preference<story> pair;
  pair.id = 3;
  for (auto* side : {&pair.chosen, &pair.rejected}) {
    sysdpo::get<prompt>(*side) = {1, 2};
    sysdpo::get<writer>(*side) = {std::vector<std::int32_t>{3}, {4, 5}};
    sysdpo::get<panel>(*side) = picture::type(std::vector<float>{0.5F, 0.25F});
  }
  sysdpo::get<writer>(pair.rejected)[1] = {6};
  return pair;
}

}  // namespace

TEST_CASE("a pair's hash follows from its weight and its values, wherever they change", "[hash]") {
  auto const hash = [](auto change) {
    auto pair = some_pair();
    change(pair);
    return sysdpo::hash_of(pair).value();
  };
  auto const before = hash([](auto&) {});
  CHECK(hash([](auto& pair) { pair.id = 4; }) == before);
  CHECK(hash([](auto& pair) { pair.weight = 2; }) != before);
  CHECK(hash([](auto& pair) { sysdpo::get<prompt>(pair.chosen)[1] = 9; }) != before);
  CHECK(hash([](auto& pair) { sysdpo::get<writer>(pair.rejected)[1] = {7}; }) != before);
  CHECK(hash([](auto& pair) { sysdpo::get<panel>(pair.chosen)(0, 1, 0) = 1; }) != before);
  CHECK(hash([](auto& pair) { std::swap(pair.chosen, pair.rejected); }) != before);
}

TEST_CASE("lists that are cut elsewhere have another hash", "[hash]") {
  auto const hash = [](std::array<std::vector<std::int32_t>, 2> const& texts) {
    auto pair = some_pair();
    sysdpo::get<writer>(pair.chosen) = texts;
    return sysdpo::hash_of(pair).value();
  };
  CHECK(hash({std::vector<std::int32_t>{3}, {4, 5}}) != hash({std::vector<std::int32_t>{3, 4}, {5}}));
  CHECK(hash({std::vector<std::int32_t>{}, {4}}) != hash({std::vector<std::int32_t>{4}, {}}));
}
