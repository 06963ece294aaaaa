// Arbitrary bytes as system.json of a saved system: what is refused leaves the models as they were.
#include "input.hpp"
#include "support/tabular_systems.hpp"
#include "sysdpo/train/system_folder.hpp"

void run_one(std::string_view input) {
  static auto const saved = test::random_models<test::skip_system>(1);
  static auto const other = test::random_models<test::skip_system>(2);
  static bool const is_ready = [] {
    sysdpo::save_system(fuzz::folder() / "system", saved);
    return true;
  }();
  fuzz::demand(is_ready, "the system is there");
  fuzz::write(fuzz::folder() / "system/system.json", input);
  auto models = other;
  bool const is_accepted = fuzz::accepts([&] { sysdpo::load_system(fuzz::folder() / "system", models); });
  fuzz::demand(joint_of(models) == joint_of(is_accepted ? saved : other),
               "a system is loaded whole or not at all");
  fuzz::demand(is_accepted == fuzz::accepts([] {
                 static_cast<void>(sysdpo::read_configs<test::skip_system>(fuzz::folder() / "system"));
               }),
               "weights and configurations are refused alike");
}
