// Arbitrary bytes as trainer.json of a checkpoint: what is refused leaves the models as they were.
#include <array>

#include "input.hpp"
#include "support/tabular_systems.hpp"
#include "sysdpo/train/checkpoint.hpp"

namespace {

using system_type = test::skip_system;
using optimizer = sysdpo::adamw<sysdpo::cpu, test::double_precision>;

sysdpo::json fingerprint() { return {{"beta", 0.5}, {"pair ids", "0123456789abcdef"}}; }

}  // namespace

void run_one(std::string_view input) {
  static auto const saved = test::random_models<system_type>(1);
  static auto const other = test::random_models<system_type>(2);
  sysdpo::moving_averages<system_type, sysdpo::cpu, test::double_precision> averages;
  static bool const is_ready = [&] {
    std::array<optimizer, 2> const optimizers;
    sysdpo::save_checkpoint<system_type, sysdpo::cpu, test::double_precision>(
        fuzz::folder() / "run", {.step = 3, .callbacks = sysdpo::json::array()}, saved, optimizers, averages,
        fingerprint());
    return true;
  }();
  fuzz::demand(is_ready, "the checkpoint is there");
  fuzz::write(fuzz::folder() / "run/step-00000003/trainer.json", input);
  auto models = other;
  std::array<optimizer, 2> optimizers;
  bool const is_accepted = fuzz::accepts([&] {
    auto const position = sysdpo::load_checkpoint<system_type, sysdpo::cpu, test::double_precision>(
        fuzz::folder() / "run", models, optimizers, averages, fingerprint());
    fuzz::demand(position && position->step >= 0, "a checkpoint says where it stands");
  });
  fuzz::demand(joint_of(models) == joint_of(is_accepted ? saved : other),
               "a checkpoint is loaded whole or not at all");
}
