#include "sysdpo/train/system_folder.hpp"

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"
#include "train/tabular_training.hpp"

using namespace test;
using Catch::Contains;

TEST_CASE("a saved system loads into new models, with what the user put in", "[system]") {
  test::temporary_directory const folder;
  auto const saved = random_models<skip_system>(1);
  sysdpo::save_system(folder / "system", saved, {{"temperature", 0.7}});
  double_models<skip_system> loaded(sysdpo::read_configs<skip_system>(folder / "system"), 99);
  CHECK(weights_of(loaded) != weights_of(saved));
  CHECK(sysdpo::load_system(folder / "system", loaded) == sysdpo::json{{"temperature", 0.7}});
  CHECK(weights_of(loaded) == weights_of(saved));

  sysdpo::models<skip_system, sysdpo::cpu> narrow(saved.configs());  // float from double
  CHECK(sysdpo::load_system(folder / "system", narrow) == sysdpo::json{{"temperature", 0.7}});
  CHECK(weights_of(narrow)[5] == static_cast<float>(weights_of(saved)[5]));
}

TEST_CASE("saving replaces an older save and nothing else", "[system]") {
  test::temporary_directory const folder;
  sysdpo::save_system(folder / "system", random_models<skip_system>(1));
  auto const second = random_models<skip_system>(2);
  sysdpo::save_system(folder / "system" / "", second);  // a trailing slash changes nothing
  auto loaded = random_models<skip_system>(3);
  sysdpo::load_system(folder / "system", loaded);
  CHECK(weights_of(loaded) == weights_of(second));
  CHECK_FALSE(std::filesystem::exists(folder / "system.partial"));

  sysdpo::write_file(folder / "system" / "thesis.txt", "years of work");
  CHECK_THROWS_WITH(sysdpo::save_system(folder / "system", second), Contains("thesis.txt"));
  CHECK(sysdpo::read_file(folder / "system" / "thesis.txt") == "years of work");
  CHECK_THROWS_WITH(sysdpo::save_system(folder / "system" / "thesis.txt", second),
                    Contains("Not a directory"));
}

TEST_CASE("what does not fit is refused before any weight is changed", "[system]") {
  test::temporary_directory const folder;
  sysdpo::save_system(folder / "system", random_models<skip_system>(1));
  auto const place = folder / "system";

  auto chain = random_models<chain_system>(2);
  CHECK_THROWS_WITH(sysdpo::load_system(place, chain),
                    Contains("system.json") && Contains("/nodes/1") && Contains("question"));

  auto wider = random_models<skip_system>(2, 4);
  auto const before = weights_of(wider);
  CHECK_THROWS_WITH(sysdpo::load_system(place, wider),
                    Contains("answer/config.json") && Contains("/contexts") && Contains("3 is saved"));
  CHECK(weights_of(wider) == before);

  auto models = random_models<skip_system>(2);
  auto const start = weights_of(models);
  sysdpo::write_safetensors(place / "answer" / "model.safetensors", {});
  CHECK_THROWS_WITH(sysdpo::load_system(place, models), Contains("'logits'") && Contains("missing"));
  CHECK(weights_of(models) == start);

  auto document = sysdpo::parse_json(sysdpo::read_file(place / "system.json"), "", "");
  document["format_version"] = 2;
  sysdpo::write_json(place / "system.json", document);
  CHECK_THROWS_WITH(sysdpo::load_system(place, models), Contains("/format_version"));
  CHECK_THROWS_WITH(sysdpo::load_system(folder / "nowhere", models), Contains("nowhere/system.json"));
}
