// Arbitrary bytes as config.json of each kind of model: what is accepted is written and read back as it was.
#include "input.hpp"
#include "sysdpo/train/config_json.hpp"

namespace {

template <class Config>
void read_and_write(std::filesystem::path const& path) {
  fuzz::accepts([&] {
    auto const written = sysdpo::config_format<Config>::write(sysdpo::read_config<Config>(path));
    sysdpo::json_view const view(written, "model configuration", "written");
    fuzz::demand(fuzz::accepts([&] {
                   auto const again = sysdpo::config_format<Config>::read(view);
                   fuzz::demand(sysdpo::same(sysdpo::config_format<Config>::write(again), written),
                                "a configuration survives a copy");
                 }),
                 "what was written can be read");
  });
}

}  // namespace

void run_one(std::string_view input) {
  auto const path = fuzz::folder() / "config.json";
  fuzz::write(path, input);
  read_and_write<sysdpo::table_config>(path);
  read_and_write<sysdpo::transformer_config>(path);
  read_and_write<sysdpo::caption_encoder_config>(path);
  read_and_write<sysdpo::unet_config>(path);
}
