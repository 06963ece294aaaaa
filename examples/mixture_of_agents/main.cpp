// A mixture of agents, aligned from the rightness of its final answers alone: how far do parts of it get, how
// far the whole, and which nodes does the margin between right and wrong answers come from?
#include <CLI/CLI.hpp>
#include <chrono>
#include <exception>
#include <filesystem>
#include <utility>

#include "progression/jobs.hpp"
#include "training.hpp"

namespace {

using namespace mixture;

/// One row of the table: the nodes that learn, and how often each node's value is right after each training.
struct row {
  std::string system;
  numbers scales;
  std::vector<numbers> right;  ///< a seed
  std::vector<mixture_models> models;
};

/// A small version of everything, for a first look and for CI.
settings quick_settings() {
  return {.pretraining_steps = 500,
          .pretraining_batch = 32,
          .rounds = 2,
          .questions = 100,
          .samples = 4,
          .steps = 25,
          .seeds = 1,
          .test_samples = 1};
}

mixture_models unaligned_system(question_set const& questions, settings const& how, int workers) {
  sysdpo::transformer_config const size{.vocabulary = vocabulary_size,
                                        .hidden = 32,
                                        .layers = 2,
                                        .heads = 4,
                                        .kv_heads = 4,
                                        .intermediate = 96,
                                        .context = 32};
  mixture_models models({size, size, size, size}, 1);
  std::vector<std::function<void()>> jobs;
  models.for_each([&](auto index, auto const&) {
    jobs.emplace_back([&] { pretrain<typename decltype(index)::model>(models, questions.training, how); });
  });
  progression::run_jobs("pre-training", jobs, workers);
  return models;
}

/// How often each node's value is the right answer.
numbers examine(mixture_models& models, question_set const& questions, settings const& how,
                std::uint64_t seed) {
  auto const said = ask(models, questions.held_out, how.test_samples, seed);
  auto const share = 1.0 / static_cast<double>(said.size() * questions.held_out.size());
  numbers right;
  for (auto const& sample : said)
    for (auto const& all : sample.values)
      sysdpo::for_each_node<mixture_of_agents>([&](auto tag) {
        auto const& given = sysdpo::get<typename decltype(tag)::node::name>(all);
        right.values[tag] += is_right(sysdpo::get<question>(all), given) ? share : 0.0;
      });
  return right;
}

/// Each node's share of the margin that alignment put between right and wrong answers of the unaligned system
/// to the held-out questions: of one kind, or of all (−1).
numbers credit(mixture_models& aligned, mixture_models& before, question_set const& questions,
               settings const& how, int kind) {
  auto const pairs = collect_pairs(before, questions.held_out, how.samples, 1);
  std::vector<sysdpo::pair_visit<mixture_of_agents>> of_kind;
  for (auto const& pair : pairs)
    if (kind < 0 || kind_of(sysdpo::get<question>(pair.chosen)) == kind) of_kind.push_back({&pair, 0});
  if (of_kind.empty()) return {};
  sysdpo::preference_loss<mixture_of_agents, sysdpo::cpu> loss(aligned, before, {}, {});
  auto const metrics = sysdpo::metrics_of<mixture_of_agents>(loss.score(of_kind), loss.options());
  numbers shares;
  sysdpo::for_each_node<mixture_of_agents>([&](auto tag) {
    auto const name = sysdpo::name_of<typename decltype(tag)::node::name>();
    shares.values[tag] =
        metrics.at(fmt::format("node/{}/rewards/margins", name)) / metrics.at("rewards/margins");
  });
  return shares;
}

/// Mean and standard error.
std::pair<double, double> summary(std::vector<double> const& values) {
  auto const n = static_cast<double>(values.size());
  double mean = 0, squares = 0;
  for (auto const value : values) mean += value / n;
  for (auto const value : values) squares += (value - mean) * (value - mean);
  return {mean, n > 1 ? std::sqrt(squares / (n - 1) / n) : 0};
}

/// The mean of one node's numbers.
double mean_at(std::vector<numbers> const& all, std::size_t node) {
  double sum = 0;
  for (auto const& one : all) sum += one.values[node];
  return sum / static_cast<double>(all.size());
}

/// What every node says to one question.
void show_exchange(char const* title, mixture_models& models, tokens const& asked) {
  auto const said = ask(models, std::span(&asked, 1), 1, 1).front().values.front();
  fmt::print("\n{:<12} {}\n", title, text_of(asked));
  sysdpo::for_each_node<mixture_of_agents>([&](auto tag) {
    using name = typename decltype(tag)::node::name;
    auto const& given = sysdpo::get<name>(said);
    fmt::print("  {:<10} {:<14} {}\n", sysdpo::name_of<name>(), text_of(given),
               is_right(asked, given) ? "right" : "");
  });
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("Aligns a mixture of agents from the rightness of its final answers.");
  bool quick = false;
  std::filesystem::path results = "results";
  app.add_flag("--quick", quick, "a small version of everything, in at most twenty seconds");
  app.add_option("--results", results, "the folder of the report")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  auto const begin = std::chrono::steady_clock::now();
  auto const how = quick ? quick_settings() : settings{};
  auto const workers = sysdpo::cpu_threads();
  auto const questions = all_questions();
  auto before = unaligned_system(questions, how, workers);

  std::vector<row> rows{{"before", {{0, 0, 0, 0, 0, 0, 0}}, {}, {}},
                        {"first layer only", {{1, 1, 1, 0, 0, 0, 0}}, {}, {}},
                        {"both layers", {{1, 1, 1, 1, 1, 1, 0}}, {}, {}},
                        {"aggregator only", {{0, 0, 0, 0, 0, 0, 1}}, {}, {}},
                        {"all", {{1, 1, 1, 1, 1, 1, 1}}, {}, {}}};
  std::vector<std::function<void()>> jobs;
  for (auto& each : rows) {
    each.right.resize(static_cast<std::size_t>(how.seeds));
    for (std::size_t i = 0; i < each.right.size(); ++i) each.models.push_back(before);
    for (std::size_t i = 0; i < each.right.size(); ++i)
      jobs.emplace_back([&, i] {
        if (each.system != "before") align(each.models[i], questions.training, each.scales, how, i + 1);
        each.right[i] = examine(each.models[i], questions, how, i + 1);
      });
  }
  progression::run_jobs("aligning", jobs, workers);

  sysdpo::json report;
  fmt::print("\n{:<18} right answers to {} held-out questions, {} seeds\n", "what learns",
             questions.held_out.size(), how.seeds);
  for (auto const& each : rows) {
    std::vector<double> right;
    for (auto const& seed : each.right) right.push_back(seed.at<answer>());
    auto const [mean, error] = summary(right);
    fmt::print("{:<18} {:5.1f}% ± {:.1f}\n", each.system, 100 * mean, 100 * error);
    report["rows"].push_back({{"system", each.system}, {"right", mean}, {"right_se", error}});
  }

  auto& all = rows.back();
  std::array<std::vector<numbers>, 4> shares;  // of the margin: by kind, then of all kinds
  for (auto& models : all.models)
    for (int kind = -1; kind < 3; ++kind)
      shares[static_cast<std::size_t>((kind + 4) % 4)].push_back(
          credit(models, before, questions, how, kind));
  fmt::print("\n{:<10} {:>18}   share of the margin\n", "", "right");
  fmt::print("{:<10} {:>8} {:>9}   {:>8} {:>8} {:>8} {:>8}\n", "node", "before", "after", "all", kinds[0],
             kinds[1], kinds[2]);
  sysdpo::for_each_node<mixture_of_agents>([&](auto tag) {
    auto const name = sysdpo::name_of<typename decltype(tag)::node::name>();
    auto const was = mean_at(rows.front().right, tag), is = mean_at(all.right, tag);
    auto const share = [&](std::size_t kind) { return mean_at(shares[kind], tag); };
    fmt::print("{:<10} {:>7.1f}% {:>8.1f}%   {:>7.1f}% {:>7.1f}% {:>7.1f}% {:>7.1f}%\n", name, 100 * was,
               100 * is, 100 * share(3), 100 * share(0), 100 * share(1), 100 * share(2));
    report["nodes"].push_back(
        {{"node", name},
         {"right_before", was},
         {"right_after", is},
         {"share_of_margin", share(3)},
         {"share_of_margin_by_kind", {{kinds[0], share(0)}, {kinds[1], share(1)}, {kinds[2], share(2)}}}});
  });
  show_exchange("before", before, questions.held_out.front());
  show_exchange("after", all.models.front(), questions.held_out.front());

  auto const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  report["seconds"] = seconds;
  std::filesystem::create_directories(results);
  sysdpo::write_json(results / "mixture_of_agents.json", report);
  fmt::print("\n{:.0f} s. Written: {}\n", seconds, (results / "mixture_of_agents.json").string());
  return 0;
} catch (std::exception const& fault) {
  fmt::print(stderr, "mixture_of_agents: {}\n", fault.what());
  return 1;
}
