// Times the kernels on this machine's GPU: a table on the standard output, and a JSON file that grows with
// every case.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "benchmark.hpp"
#include "report.hpp"

namespace {

using namespace benchmarks::gpu;
using json = nlohmann::ordered_json;

struct options {
  std::vector<std::string> only;
  std::string file;
  double minutes = 9;
  bool quick = false;
  bool list = false;
};

json describe(benchmark const& one) {
  json sizes = json::object();
  for (auto const& [name, size] : one.sizes) sizes[name] = size;
  return {{"name", one.name()}, {"op", one.op},
          {"pass", one.pass},   {"shape", one.shape},
          {"type", one.type},   {"sizes", sizes},
          {"work", one.work},   {"unit", one.limit == bound::compute ? "TFLOP/s" : "GB/s"}};
}

/// Whether the device still works.
bool measure(benchmark const& one, ceilings const& best, int samples, json& row) {
  try {
    auto const ready = one.prepare();
    ready.check();
    auto const seconds = median_seconds(ready, samples);
    bool const computes = one.limit == bound::compute;
    auto const rate = one.work / seconds;
    row["seconds"] = seconds;
    row["rate"] = rate / (computes ? 1e12 : 1e9);
    row["share_of_ceiling"] = rate / (computes ? best.operations : best.bytes);
    row["sets"] = ready.sets;
    std::printf("%-70s %10.1f us %8.1f %-7s %5.0f%%", one.name().c_str(), seconds * 1e6,
                row["rate"].get<double>(), computes ? "TFLOP/s" : "GB/s",
                100 * row["share_of_ceiling"].get<double>());
    if (ready.working_bytes) {
      row["working_bytes"] = ready.working_bytes();
      std::printf(" %6.2f GB", row["working_bytes"].get<double>() / 1e9);
    }
    std::puts("");
    return true;
  } catch (std::exception const& failure) {
    row["failure"] = failure.what();
    std::printf("%-70s %s\n", one.name().c_str(), failure.what());
  }
  return recover();
}

int run(options const& given) {
  using clock = std::chrono::steady_clock;
  auto const begin = clock::now();
  std::vector<benchmark> cases;
  for (auto const& one : all_benchmarks())
    if (is_chosen(one.name(), given.only)) cases.push_back(one);
  json report = json::object();
  if (given.list) {
    report["cases"] = json::array();
    for (auto const& one : cases) {
      std::puts(one.name().c_str());
      report["cases"].push_back(describe(one));
    }
    save(report, given.file);
    return 0;
  }

  auto const device = describe_device();
  auto const best = measure_ceilings();
  report = {{"device", device.name},
            {"compute_capability", device.compute_capability},
            {"multiprocessors", device.multiprocessors},
            {"l2_mib", device.l2_mib},
            {"memory_gib", device.memory_gib},
            {"cuda", device.cuda_version},
            {"driver", device.driver_version},
            {"product_tflops", best.operations / 1e12},
            {"copy_gb_per_s", best.bytes / 1e9},
            {"quick", given.quick},
            {"cases", json::array()}};
  std::printf("%s, L2 %.0f MiB; bf16 8192^3 product %.0f TFLOP/s, copy %.0f GB/s read and written\n",
              device.name.c_str(), device.l2_mib, best.operations / 1e12, best.bytes / 1e9);
  save(report, given.file);  // with no case, where all that was asked for are another program's
  bool works = true;
  int failures = 0;
  for (auto const& one : cases) {
    auto row = describe(one);
    if (!works || std::chrono::duration<double>(clock::now() - begin).count() > 60 * given.minutes)
      row["not_run"] = works ? "the time was up" : "an earlier case broke the device";
    else
      works = measure(one, best, given.quick ? 5 : 25, row);
    failures += row.contains("failure") ? 1 : 0;
    if (row.contains("not_run")) std::printf("%-70s not run\n", one.name().c_str());
    std::fflush(stdout);
    report["cases"].push_back(row);
    save(report, given.file);
  }
  return failures > 0 ? 1 : 0;
}

}  // namespace

int main(int count, char** arguments) try {
  options given;
  CLI::App app("Times the kernels on this machine's GPU");
  app.add_flag("--list", given.list, "Names the cases, and writes them to the file, without a GPU");
  app.add_option("--only", given.only, "Takes the cases with this in their name");
  app.add_flag("--quick", given.quick, "Takes 5 samples a case instead of 25");
  app.add_option("--json", given.file, "Where the figures go");
  app.add_option("--minutes", given.minutes, "After which no case is begun");
  CLI11_PARSE(app, count, arguments);
  return run(given);
} catch (std::exception const& failure) {
  std::fprintf(stderr, "%s\n", failure.what());
  return 1;
}
