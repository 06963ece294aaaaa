// Times whole steps of SysDPO, `trainer.take_step()`, on this machine's GPU: a table on the standard output,
// and a JSON file that grows with every case. Memory is told by `estimate` before a byte is allocated, and
// where a case leaves the batch open it is the largest that fits by that estimate.
//
// As a .cpp file (g++ -x c++) it is the same program on the CPU, with small models.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report.hpp"
#include "step_systems.hpp"
#include "step_work.hpp"

namespace {

using namespace benchmarks::gpu;
using json = nlohmann::ordered_json;
using clock_type = std::chrono::steady_clock;

struct program_options {
  std::vector<std::string> only;
  std::string file;
  double minutes = 9;
  double memory_gib = 79;  // where there is no device to ask
  index_t pairs = 0;       // 0: each case's own
  bool quick = false;
  bool list = false;
};

double seconds_since(clock_type::time_point begin) {
  return std::chrono::duration<double>(clock_type::now() - begin).count();
}

double gib(std::size_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

template <class Machine = machine>
void wait_for_machine() {
  if constexpr (requires { Machine::synchronize(); }) Machine::synchronize();
}

/// Memory of the device, or null where there is none.
struct device_memory {
  std::size_t free = 0, total = 0;

  static device_memory now() {
    device_memory found;
#if defined(__CUDACC__)
    sysdpo::check_cuda(cudaMemGetInfo(&found.free, &found.total), "cudaMemGetInfo");
#endif
    return found;
  }
};

std::string name_of_device() {
#if defined(__CUDACC__)
  cudaDeviceProp properties{};
  sysdpo::check_cuda(cudaGetDeviceProperties(&properties, machine::device()), "cudaGetDeviceProperties");
  return properties.name;
#else
  return machine::name;
#endif
}

double median(std::vector<double> values) {
  auto const middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// What the machine does a second in a large product of matrices of T.
template <class T>
double product_rate() {
  constexpr index_t size = on_gpu ? 8192 : 64;
  constexpr double work = 2.0 * size * size * size;
  static double const rate = [&] {
    sysdpo::parameter_set<machine, sysdpo::precision<T>> weights(1);
    auto const& a = weights.add("a", {size, size}, sysdpo::normal(1)).value;
    auto const& b = weights.add("b", {size, size}, sysdpo::normal(1)).value;
    sysdpo::tape<machine, T> tape(sysdpo::recording::off);
    auto const some = [&](int times) {
      auto const begin = clock_type::now();
      for (int i = 0; i < times; ++i)
        static_cast<void>(sysdpo::linear(tape, tape.constant(a), tape.constant(b)));
      wait_for_machine();
      return seconds_since(begin) / times;
    };
    some(3);
    std::vector<double> samples;
    for (int i = 0; i < 5; ++i) samples.push_back(some(on_gpu ? 10 : 1));
    return work / median(samples);
  }();
  machine::memory().trim();
  return rate;
}

/// A system in some precision, what is trained of it as the example of the progression does, but that the
/// caption's encoder is frozen.
template <class Setup, class Precision>
struct training {
  using system = typename Setup::system;
  using models = sysdpo::models<system, machine, Precision>;
  using options = sysdpo::trainer_options<system>;
  static constexpr bool narrow_heads = sizeof(typename Precision::compute) < 4;

  static options options_of(index_t pairs, bool checkpointed) {
    options made{.steps = 1'000'000, .pairs_per_batch = pairs};
    made.rates = made.rates.all(1e-6);
    made.checkpoint_activations.values.fill(checkpointed);
    return made;
  }

  template <class Models>
  static void freeze(Models& made) {
    made.template get<typename Setup::painter_model>().parameters().set_trainable(false, "text_encoder.");
  }

  /// Weights without zeros: those would make products cheaper, and switch branches off.
  static models make_policy() {
    models made(Setup::configs(narrow_heads), 1);
    made.for_each([](auto, auto& model) {
      std::uint64_t seed = 100;
      for (auto& weight : model.parameters()) {
        auto const starts_at_zero = weight.name.ends_with("conv2.weight") ||
                                    weight.name.ends_with("proj_out.weight") ||
                                    weight.name == "conv_out.weight";
        if (!starts_at_zero) continue;
        auto const& extents = weight.value.extents();
        sysdpo::parameter_set<machine, Precision> drawn(++seed);
        auto const& other = drawn.add("w", extents, sysdpo::scaled_normal(extents.size() / extents[0])).value;
        machine::copy(weight.value.data(), other.data(), other.bytes());
      }
    });
    freeze(made);
    return made;
  }

  struct told {
    sysdpo::memory_estimate memory;
    std::size_t held = 0;  ///< by a pool that keeps what it once had
  };
  static told estimate(index_t pairs, bool checkpointed) {
    auto& pool = sysdpo::planned_of<machine>::memory();
    pool.trim();
    told made{sysdpo::estimate<Precision, machine>(Setup::configs(narrow_heads), Setup::policies(),
                                                   make_pairs<Setup>(pairs), options_of(pairs, checkpointed),
                                                   [](auto& planned) { freeze(planned); })};
    made.held = pool.held_bytes() + made.memory.libraries;
    return made;
  }

  /// The largest batch of which a pool holds no more than `room`, at least one pair and at most 64.
  static index_t largest_batch(std::size_t room, bool checkpointed) {
    auto const fits = [&](index_t pairs) { return estimate(pairs, checkpointed).held <= room; };
    index_t most = 1;
    while (most < 64 && fits(2 * most)) most *= 2;
    for (auto step = most / 2; step > 0 && most < 64; step /= 2)
      if (fits(most + step)) most += step;
    return most;
  }

  static json describe(index_t pairs) {
    auto const configs = Setup::configs(narrow_heads);
    auto const& [author, painter] = configs;
    auto const texts = Setup::texts();
    auto const work = work_of<Setup>(configs);
    auto const& encoder = painter.caption_encoder;
    sysdpo::models<system, sysdpo::planned, Precision> planned(configs);
    json parameters = json::object();
    planned.for_each([&](auto index, auto const& model) {
      parameters[std::string(sysdpo::model_name<typename decltype(index)::model>())] =
          model.parameters().elements();
    });
    json const author_sizes = {{"vocabulary", author.vocabulary}, {"hidden", author.hidden},
                               {"layers", author.layers},         {"heads", author.heads},
                               {"kv_heads", author.kv_heads},     {"intermediate", author.intermediate},
                               {"context", author.context},       {"tied_head", author.tied_head}};
    json const painter_sizes = {{"channels", painter.in_channels},
                                {"side", Setup::painter::value::height},
                                {"block_out_channels", painter.block_out_channels},
                                {"cross_attention", painter.cross_attention},
                                {"layers_per_block", painter.layers_per_block},
                                {"heads", painter.heads},
                                {"norm_groups", painter.norm_groups},
                                {"pooled_caption", painter.pooled_caption}};
    json const encoder_sizes = {{"vocabulary", encoder.vocabulary}, {"hidden", encoder.hidden},
                                {"layers", encoder.layers},         {"heads", encoder.heads},
                                {"context", encoder.context},       {"intermediate", encoder.intermediate}};
    return {{"sizes",
             {{"pairs", pairs},
              {"prompt", texts.prompt},
              {"caption", texts.caption},
              {"author", author_sizes},
              {"painter", painter_sizes},
              {"encoder", encoder_sizes}}},
            {"parameters", parameters},
            {"forward_work", {{"author", work.author}, {"painter", work.painter}, {"encoder", work.encoder}}},
            {"work", work.step(pairs)},
            {"unit", "TFLOP/s"}};
  }

  /// Runs steps of `pairs` and adds to `row` what was seen. \throws memory_error where they do not fit.
  static void measure(index_t pairs, bool checkpointed, int samples, double ceiling, json& row) {
    auto& pool = machine::memory();
    pool.trim();
    auto const before = pool.bytes_in_use();
    pool.reset_peak();
    auto const begin = clock_type::now();
    auto const data = make_pairs<Setup>(2 * pairs);
    auto policy = make_policy();
    auto reference = policy;
    auto const setup_seconds = seconds_since(begin);
    auto options = options_of(pairs, checkpointed);
    double loss = 0;
    std::uint64_t allocations = 0;  // of the timed steps
    index_t replayed = 0;
    auto const time_steps = [&](bool records) {
      options.record_steps = records;
      sysdpo::trainer<system, machine, Precision> trainer(policy, reference, Setup::policies(), data,
                                                          options);
      for (int i = 0; i < 3; ++i) loss = trainer.take_step().at("loss");
      wait_for_machine();
      auto const allocated = pool.system_allocations();
      std::vector<double> seconds;
      for (int i = 0; i < samples; ++i) {
        auto const start = clock_type::now();
        loss = trainer.take_step().at("loss");
        wait_for_machine();
        seconds.push_back(seconds_since(start));
      }
      allocations += pool.system_allocations() - allocated;
      replayed = trainer.replayed_steps();
      return seconds;
    };
    auto const seconds = time_steps(false);
    auto const peak = pool.peak_bytes() - before;
    auto const device = device_memory::now();
    auto const texts = Setup::texts();
    auto const step = median(seconds);
    auto const rate = row["work"].template get<double>() / step;
    auto const pairs_per_second = static_cast<double>(pairs) / step;
    row["seconds"] = step;
    row["rate"] = rate / 1e12;
    row["share_of_ceiling"] = rate / ceiling;
    row["samples"] = seconds;
    row["pairs_per_second"] = pairs_per_second;
    row["tokens_per_second"] = pairs_per_second * static_cast<double>(2 * texts.sequence());
    row["images_per_second"] = pairs_per_second * 6;
    row["peak_bytes"] = peak;
    row["held_bytes"] = pool.held_bytes();
    row["device_bytes"] = device.total - device.free;
    row["estimate_ratio"] = row["estimate_bytes"].template get<double>() / static_cast<double>(peak);
    row["loss"] = loss;
    row["setup_seconds"] = setup_seconds;

    row["system_allocations"] = allocations;
    try {
      auto const recorded = time_steps(true);
      row["recorded_seconds"] = median(recorded);
      row["recorded_samples"] = recorded;
      row["replayed_steps"] = replayed;
    } catch (sysdpo::memory_error const& refused) {
      row["recorded_failure"] = refused.what();
    }
  }
};

/// A case: its name, and what is done about it.
struct step_case {
  std::string shape, system, type;
  index_t pairs;  ///< 0: as many as fit
  std::function<index_t(std::size_t room)> largest_batch;
  std::function<json(index_t pairs)> describe;
  std::function<json(index_t pairs)> estimate;
  std::function<void(index_t pairs, int samples, json& row)> measure;

  [[nodiscard]] std::string name() const { return "step/" + system + "/" + shape; }
};

template <class Setup, class Precision>
step_case make_case(std::string type, index_t pairs, bool checkpointed = false) {
  using part = training<Setup, Precision>;
  using compute = typename Precision::compute;
  auto const shape = type + (pairs == 0 ? "" : ", " + std::to_string(pairs) + " pairs") +
                     (checkpointed ? ", checkpointed" : "");
  return {.shape = shape,
          .system = Setup::name,
          .type = std::move(type),
          .pairs = pairs,
          .largest_batch = [=](std::size_t room) { return part::largest_batch(room, checkpointed); },
          .describe =
              [=](index_t count) {
                auto made = part::describe(count);
                made["sizes"]["checkpointed"] = checkpointed;
                made["weights"] = sizeof(typename Precision::parameter) == 4 ? "float" : "bf16";
                return made;
              },
          .estimate =
              [=](index_t count) {
                auto const told = part::estimate(count, checkpointed);
                std::printf("%s", told.memory.text().c_str());
                return json{{"estimate_bytes", told.memory.peak}, {"estimate_held_bytes", told.held}};
              },
          .measure =
              [=](index_t count, int samples, json& row) {
                part::measure(count, checkpointed, samples, product_rate<compute>(), row);
              }};
}

std::vector<step_case> all_cases() {
  auto const few = on_gpu ? 16 : 2, many = on_gpu ? 256 : 3;
  return {
      make_case<large_system, brief>("bf16", 0),          make_case<progression_system, plain>("float", few),
      make_case<progression_system, mixed>("bf16", few),  make_case<progression_system, plain>("float", many),
      make_case<progression_system, mixed>("bf16", many), make_case<large_system, brief>("bf16", 0, true)};
}

void print_figures(step_case const& one, json const& row) {
  auto const number = [&](char const* name) { return row[name].get<double>(); };
  auto const bytes = [&](char const* name) { return gib(row[name].get<std::size_t>()); };
  std::printf("%-55s %9.2f ms %7.1f TFLOP/s %4.0f%% %8.2f pairs/s %9.0f tokens/s\n", one.name().c_str(),
              1e3 * number("seconds"), number("rate"), 100 * number("share_of_ceiling"),
              number("pairs_per_second"), number("tokens_per_second"));
  if (row.contains("recorded_seconds"))
    std::printf("    recorded: %.2f ms, %ld of %d steps replayed\n", 1e3 * number("recorded_seconds"),
                row["replayed_steps"].get<long>(), 3 + static_cast<int>(row["recorded_samples"].size()));
  std::printf(
      "    %ld pairs; peak %.2f GiB, estimated %.2f (%+.1f%%); held %.2f GiB, by the device %.2f; "
      "%ld allocations in the timed steps; loss %.4f; made in %.1f s\n",
      row["sizes"]["pairs"].get<long>(), bytes("peak_bytes"), bytes("estimate_bytes"),
      100 * (number("estimate_ratio") - 1), bytes("held_bytes"), bytes("device_bytes"),
      row["system_allocations"].get<long>(), number("loss"), number("setup_seconds"));
}

/// Describes a case for `pairs`, and runs it; with fewer pairs where these do not fit after all.
void run_case(step_case const& one, index_t pairs, int samples, bool only_describe, json& row) {
  for (;; --pairs) {
    row.update(one.describe(pairs));
    row.update(one.estimate(pairs));
    if (only_describe) return;
    try {
      one.measure(pairs, samples, row);
      return;
    } catch (sysdpo::memory_error const& refused) {
      std::printf("%s, %ld pairs: %s\n", one.name().c_str(), static_cast<long>(pairs), refused.what());
      if (one.pairs != 0 || pairs == 1) throw;
    }
  }
}

int run(program_options const& given) {
  auto const begin = clock_type::now();
  auto room = static_cast<std::size_t>(given.memory_gib * (1 << 30));
  json report = {{"device", "none"}, {"quick", given.quick}, {"cases", json::array()}};
  if (!given.list) {
    report["device"] = name_of_device();
    if (auto const memory = device_memory::now(); memory.total != 0) room = memory.free;
  }
  room = room / 100 * 94;  // the rest is for the libraries and the working memory of single operations
  int failures = 0;
  for (auto const& one : all_cases()) {
    if (!is_chosen(one.name(), given.only)) continue;
    json row = {
        {"name", one.name()}, {"op", "step"}, {"pass", one.system}, {"shape", one.shape}, {"type", one.type}};
    if (seconds_since(begin) > 60 * given.minutes) {
      row["not_run"] = "the time was up";
      std::printf("%-55s not run\n", one.name().c_str());
    } else {
      try {
        auto const pairs = given.pairs != 0 ? given.pairs
                           : one.pairs != 0 ? one.pairs
                           : on_gpu         ? one.largest_batch(room)
                                            : 2;
        std::printf("== %s, %ld pairs\n", one.name().c_str(), static_cast<long>(pairs));
        run_case(one, pairs, given.quick ? 5 : 10, given.list, row);
        if (!given.list) print_figures(one, row);
      } catch (std::exception const& failure) {
        row["failure"] = failure.what();
        ++failures;
        std::printf("%-55s %s\n", one.name().c_str(), failure.what());
      }
    }
    std::fflush(stdout);
    report["cases"].push_back(row);
    save(report, given.file);
  }
  return failures > 0 ? 1 : 0;
}

}  // namespace

int main(int count, char** arguments) try {
  program_options given;
  CLI::App app("Times whole steps of SysDPO on this machine's GPU");
  app.add_flag("--list", given.list, "Tells the cases and their memory, and runs nothing: needs no GPU");
  app.add_option("--only", given.only, "Takes the cases with this in their name");
  app.add_flag("--quick", given.quick, "Takes 5 samples a case instead of 10");
  app.add_option("--json", given.file, "Where the figures go");
  app.add_option("--minutes", given.minutes, "After which no case is begun");
  app.add_option("--pairs", given.pairs, "A batch's, instead of those of the cases");
  app.add_option("--memory-gib", given.memory_gib, "With --list: the device's memory");
  CLI11_PARSE(app, count, arguments);
  return run(given);
} catch (std::exception const& failure) {
  std::fprintf(stderr, "%s\n", failure.what());
  return 1;
}
