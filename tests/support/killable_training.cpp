// killable_training FOLDER: a training of a hundred steps with everything that a resumption must carry
// on: a checkpoint at every step, metrics, validation, the best weights so far, moving averages. Started
// again on the same folder it goes on; at the end it writes FOLDER/aligned. tests/kill.sh and its neighbours
// interrupt it.
#include "sysdpo/train/system_folder.hpp"
#include "train/tabular_training.hpp"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  std::filesystem::path const folder = arguments[1];
  try {
    auto const pairs = test::ranked_pairs();
    auto policy = test::random_models<test::skip_system>(1);
    auto reference = policy;
    auto options = test::some_training();
    options.steps = 120;
    options.validate_every = 7;
    options.moving_averages.values = {0.9, 0};
    options.checkpoints = folder / "run";
    options.checkpoint_every = 1;
    test::tabular_trainer training(policy, reference, {}, pairs, options, pairs);
    sysdpo::write_metrics metrics(folder / "metrics.jsonl", training.step());
    sysdpo::save_best best([&] { sysdpo::save_system(folder / "best", policy); });
    training.run({&metrics, &best});
    training.use_averages();
    sysdpo::save_system(folder / "aligned", policy);
  } catch (sysdpo::error const& caught) {
    fmt::print(stderr, "{}\n", caught.what());
    return 1;
  }
}
