// Times the library on this machine: a table on the standard output and results/benchmarks.json.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "measure.hpp"

namespace {

using namespace benchmarks;

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::string time_of(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * 1e6);
  return seconds < 1 ? fmt::format("{:.2f} ms", seconds * 1e3) : fmt::format("{:.2f} s", seconds);
}

void run(std::string const& only) {
  constexpr double budget = 0.1;  // seconds a case
  auto cases = ceilings();
  auto const ceiling_count = cases.size();
  for (auto* more : {&op_benchmarks, &step_benchmarks})
    for (auto& one : more())
      if (one.name.find(only) != std::string::npos) cases.push_back(std::move(one));

  std::vector<int> threads{1};
  if (sysdpo::cpu_threads() > 1) threads.push_back(sysdpo::cpu_threads());
  std::map<std::pair<int, bound>, double> ceiling;
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  std::string table = fmt::format("{:<22} {:<50} {:<21} {:>7} {:>10} {:>15} {:>6}\n", "name", "shape", "pass",
                                  "threads", "median", "rate", "share");
  sysdpo::progress bar("Benchmarks", static_cast<index_t>(cases.size() * threads.size()));
  for (std::size_t i = 0; i < cases.size(); ++i)
    for (auto const count : threads) {
      auto const& one = cases[i];
      sysdpo::set_cpu_threads(count);
      auto const seconds = median_seconds(one, i < ceiling_count ? 5 * budget : budget);
      auto const rate = one.work / seconds / 1e9;
      auto const* const unit = one.limit == bound::compute ? "GFLOP/s" : "GB/s";
      auto const& best = ceiling.try_emplace({count, one.limit}, rate).first->second;
      rows.push_back({{"name", one.name},
                      {"shape", one.shape},
                      {"pass", one.pass},
                      {"threads", count},
                      {"seconds", seconds},
                      {"rate", rate},
                      {"unit", unit},
                      {"share_of_ceiling", rate / best}});
      table += fmt::format("{:<22} {:<50} {:<21} {:>7} {:>10} {:>7.1f} {:<7} {:>5.0f}%\n", one.name,
                           one.shape, one.pass, count, time_of(seconds), rate, unit, 100 * rate / best);
      bar.tick();
    }
  fmt::print("{}", table);
  if (!only.empty()) return;
  std::filesystem::create_directories("results");
  nlohmann::ordered_json const report{{"processor", processor()}, {"threads", threads}, {"cases", rows}};
  sysdpo::write_file("results/benchmarks.json", report.dump(1) + "\n");
}

}  // namespace

/// An argument times only what has it in its name, and keeps results/benchmarks.json as it is.
int main(int count, char** arguments) try {
  run(count > 1 ? arguments[1] : "");
  return 0;
} catch (std::exception const& failure) {
  fmt::print(stderr, "{}\n", failure.what());
  return 1;
}
