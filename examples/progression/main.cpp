// The progression: aligns an author and a painter from preferences on what they make together, and reports
// it.
#include <CLI/CLI.hpp>
#include <cmath>
#include <exception>
#include <filesystem>

#include "experiment.hpp"

int main(int argc, char** argv) try {
  CLI::App app("Aligns an author and a painter from preferences on the sequences they make together.");
  bool quick = false;
  bool fresh = false;
  std::filesystem::path results = "results";
  int seeds = 0;
  bool full = false;
  auto* const small = app.add_flag("--quick", quick, "a small version of everything, in at most two minutes");
  app.add_flag("--full", full,
               "6,000 pairs a row, five seeds and every held-out prompt: hours, resumable at any stage")
      ->excludes(small);
  app.add_flag("--fresh", fresh, "forget the stages that an earlier run finished");
  app.add_option("--results", results, "the folder of the report and of finished stages")
      ->capture_default_str();
  bool tune = false;
  app.add_flag("--tune", tune, "choose each row's recipe anew, on the validation prompts");
  app.add_option("--seeds", seeds, "trainings of each row, instead of the default number")
      ->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);

  auto settings = quick  ? progression::quick_settings()
                  : full ? progression::full_settings()
                         : progression::experiment_settings{};
  settings.tune = tune;
  if (seeds > 0) settings.seeds = seeds;
  sysdpo::directory_lock const lock(results);
  if (fresh) std::filesystem::remove_all(results / "cache");
  std::filesystem::create_directories(results / "cache");
  auto const report = progression::experiment(settings, results).run();

  // One seed has no standard error.
  auto const error = [](double se, int digits) {
    return std::isfinite(se) ? fmt::format("± {:.{}f}", se, digits) : "";
  };
  fmt::print("\n{:<22} {:>7}         {:>9}\n", "system", "q", "order");
  for (auto const& row : report.rows)
    fmt::print("{:<22} {:>7.3f} {:<7} {:>8.1f}% {}\n", row.system, row.score.q, error(row.score.q_se, 3),
               100 * row.score.order, error(100 * row.score.order_se, 1));
  fmt::print("\nsysdpo leads, on the same prompts and noise:\n");
  for (auto const& [system, lead] : report.leads)
    fmt::print("  {:<22} by q {:.3f} ± {:.3f}, order {:.1f}% ± {:.1f}\n", system, lead.q, lead.q_se,
               100 * lead.order, 100 * lead.order_se);
  fmt::print("{} pairs, {:.0f} s. Open {}\n", report.pairs, report.seconds,
             (results / "report.html").string());
  return 0;
} catch (std::exception const& fault) {
  fmt::print(stderr, "progression: {}\n", fault.what());
  return 1;
}
