// The experiment, stage by stage: pre-train, collect, tune on validation prompts, align, look at the test
// prompts once. Every stage leaves its outcome under the cache folder, named by a hash of all settings that
// shape it, so that a rerun goes on where the last one stopped.
#pragma once

#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <sysdpo.hpp>

#include "align.hpp"
#include "budget.hpp"
#include "jobs.hpp"
#include "pretrain.hpp"
#include "report.hpp"
#include "rows.hpp"
#include "settings.hpp"

namespace progression {

/// Scores of one system on some prompts, in the prompts' order.
struct evaluation {
  std::vector<sequence_score> scores;
  double malformed_rate = 0;  ///< share of the sequences drawn
};

/// A hash of what the world says and shows, and of the models: the first examples of each corpus
/// and the names and shapes of all weights. Cached outcomes carry it in their names, so that a change of
/// grammar, renderer, corpus or model asks for new ones.
inline std::string world_fingerprint(std::vector<prompt> const& requests, storybook_models const& models,
                                     regressor& judge) {
  sysdpo::fnv1a hash;
  auto const add = [&](auto const& values) { hash.add(std::as_bytes(std::span(values))); };
  random_stream random(0);
  for (int i = 0; i < 100; ++i) {
    auto const text = draw_author_example(requests, random);
    add(text.request);
    for (auto const& caption : text.captions) add(caption);
    auto const drawn = draw_painter_example(random);
    add(drawn.caption);
    add(drawn.image);
    auto const judged = draw_regressor_example(random);
    add(judged.image);
    add(judged.level);
  }
  auto const add_shapes = [&](auto const& weights) {
    for (auto const& weight : weights) hash.add(weight.name).add(to_string(weight.value.extents()));
  };
  models.for_each([&](auto, auto const& model) { add_shapes(model.parameters()); });
  add_shapes(judge.weights());
  return hash.text();
}

class experiment {
 public:
  experiment(experiment_settings const& settings, std::filesystem::path results)
      : settings_(settings),
        results_(std::move(results)),
        judge_(1),
        unaligned_(model_sizes(), 1),
        prompts_(make_prompts()),
        world_(world_fingerprint(prompts_.train, unaligned_, judge_)),
        options_(policy_settings(settings.sampling_steps)),
        first_pairs_(static_cast<std::size_t>(settings.seeds) + 1) {
    prompts_.test.resize(std::min(prompts_.test.size(), static_cast<std::size_t>(settings.test_prompts)));
    prompts_.test_phrasings.resize(
        std::min(prompts_.test_phrasings.size(), static_cast<std::size_t>(settings.phrasing_prompts)));
    prompts_.validation.resize(
        std::min(prompts_.validation.size(), static_cast<std::size_t>(settings.validation_prompts)));
  }

  /// Runs all stages and writes the report.
  report_data run() {
    begin_ = clock::now();
    costs_ = measure_costs(settings_, options_, prompts_.train);
    report_.plan = plan(settings_, costs_);
    fmt::print(stderr, "{}\n", plan_text(report_.plan, settings_.workers));
    stage("pre-training", [&] { pretrain_all(); });
    stage("tuning", [&] { tune(); });
    stage("alignment", [&] { align_all(); });
    stage("test prompts", [&] { evaluate_all(); });
    finish_report();
    write_report(results_, report_);
    return report_;
  }

 private:
  using clock = std::chrono::steady_clock;

  template <class Work>
  void stage(std::string const& name, Work&& work) {
    report_.stages.emplace_back(name, detail::seconds_of(work));
  }

  [[nodiscard]] std::filesystem::path cache(std::string const& kind, std::string const& shaped_by) const {
    auto const key = sysdpo::fnv1a().add(world_).add(shaped_by).text();
    return results_ / "cache" / fmt::format("{}-{}", kind, key);
  }

  void pretrain_all() {
    auto const folder = cache("pretrained", settings_.pretraining_text());
    auto const judge_file = folder / "regressor.safetensors";
    if (std::filesystem::exists(judge_file)) {
      sysdpo::load_system<storybook>(folder / "system", unaligned_);
      sysdpo::load_weights(judge_file, judge_.weights());
    } else {
      run_jobs("regressor and author",
               {[&] { pretrain_regressor(judge_, settings_.regressor_training); },
                [&] {
                  pretrain_author(unaligned_, options_, prompts_.train, settings_.author_training,
                                  settings_.p_order);
                }},
               settings_.workers);
      sysdpo::set_cpu_threads(settings_.workers);
      pretrain_painter(unaligned_, options_, settings_.painter_training, settings_.rho);
      sysdpo::save_system<storybook>(folder / "system", unaligned_);
      sysdpo::save_weights(judge_file, judge_.weights());
    }
    report_.regressor = examine_regressor(judge_, 200);
    report_.fidelity_before = examine_painter(unaligned_, options_, judge_);
  }

  /// Pairs of round one for some seeds: all rows start from the same.
  void collect_first_pairs(std::set<std::size_t> const& seeds) {
    std::vector<std::function<void()>> jobs;
    for (auto const seed : seeds)
      jobs.emplace_back([this, seed] {
        first_pairs_[seed] =
            pairs_of_round(unaligned_, options_, judge_, prompts_.train, settings_.budget, seed, 0);
      });
    run_jobs("first round's pairs", jobs, settings_.workers);
  }

  /// One look of each recipe at the validation prompts, under a seed of its own.
  void tune() {
    for (auto const* row : trained_rows) chosen_[row] = grid_of(row).front();
    if (!settings_.tune) return;
    collect_first_pairs({0});
    std::vector<tuning_result> tried;
    std::vector<recipe> recipes;
    for (auto const* row : trained_rows)
      for (auto const& how : grid_of(row)) {
        tried.push_back({.system = row, .setting = how.text()});
        recipes.push_back(how);
      }
    std::vector<std::function<void()>> jobs;
    for (std::size_t i = 0; i < tried.size(); ++i)
      jobs.emplace_back([&, i] {
        auto const file = cache("tuning", settings_.alignment_text() + tried[i].system + recipes[i].text()) +=
            ".json";
        if (!std::filesystem::exists(file)) {
          auto row = align_row(tried[i].system, recipes[i], 0);
          auto const score = summarize({evaluate(row.models, prompts_.validation, 0).scores});
          sysdpo::write_file(file, nlohmann::json{{"q", score.q}, {"order", score.order}}.dump());
        }
        auto const outcome = nlohmann::json::parse(sysdpo::read_file(file));
        tried[i].q = outcome.at("q");
        tried[i].order = outcome.at("order");
      });
    run_jobs("tuning", jobs, settings_.workers);
    for (auto const* row : trained_rows) {
      auto best = tried.size();
      for (std::size_t i = 0; i < tried.size(); ++i)
        if (tried[i].system == row && (best == tried.size() || tried[i].q > tried[best].q)) best = i;
      tried[best].chosen = true;
      chosen_[row] = recipes[best];
    }
    report_.tuning = std::move(tried);
  }

  aligned align_row(std::string const& row, recipe const& how, std::size_t seed) {
    return align(unaligned_, options_, judge_, prompts_.train, first_pairs_[seed], settings_.budget, how, row,
                 seed);
  }

  [[nodiscard]] std::filesystem::path folder_of(std::string const& row, std::size_t seed) {
    return cache("aligned",
                 fmt::format("{} {} {} seed {}", settings_.alignment_text(), row, chosen_[row].text(), seed));
  }

  /// Every trained row under every seed, but for those that an earlier run finished. The longest first: then
  /// the workers end at about the same time.
  void align_all() {
    std::vector<std::string> rows(trained_rows.begin(), trained_rows.end());
    auto const seconds = [&](std::string const& row) {
      return alignment_seconds(costs_, settings_.budget, chosen_.at(row));
    };
    std::stable_sort(rows.begin(), rows.end(),
                     [&](auto const& a, auto const& b) { return seconds(a) > seconds(b); });
    std::set<std::size_t> seeds;
    std::vector<std::function<void()>> jobs;
    for (auto const& row : rows)
      for (std::size_t seed = 1; seed < first_pairs_.size(); ++seed) {
        auto const folder = folder_of(row, seed);
        if (std::filesystem::exists(folder / "system.json")) continue;
        seeds.insert(seed);
        jobs.emplace_back([this, row, seed, folder] {
          auto const trained = align_row(row, chosen_.at(row), seed);
          auto curves = nlohmann::json::array();
          for (auto const& curve : trained.curves) curves.push_back(to_json<nlohmann::json>(curve));
          sysdpo::save_system(folder, trained.models, {{"pairs", trained.pairs}, {"curves", curves}});
        });
      }
    collect_first_pairs(seeds);
    run_jobs("alignment", jobs, settings_.workers);
  }

  /// Scores of `models` on `prompts`; `seed` names the noise, the same for every row.
  evaluation evaluate(storybook_models& models, std::vector<prompt> const& prompts, std::size_t seed,
                      int candidates = 1, bool oracle = false) {
    evaluation result{std::vector<sequence_score>(prompts.size(), worst_score), 0};
    int malformed = 0;
    for (int candidate = 0; candidate < candidates; ++candidate) {
      auto const drawn = generate_sequences(
          models, options_, judge_, prompts,
          {.seed = 1'000'000 + seed, .candidate = static_cast<std::uint32_t>(candidate), .oracle = oracle});
      for (std::size_t i = 0; i < prompts.size(); ++i) {
        malformed += drawn[i].valid ? 0 : 1;
        if (drawn[i].score.q > result.scores[i].q) result.scores[i] = drawn[i].score;
      }
    }
    result.malformed_rate = static_cast<double>(malformed) /
                            static_cast<double>(prompts.size() * static_cast<std::size_t>(candidates));
    return result;
  }

  /// The one look at the test prompts.
  void evaluate_all() {
    std::map<std::string, std::vector<evaluation>> outcomes;
    for (auto const* row : row_names) outcomes[row].resize(static_cast<std::size_t>(settings_.seeds));
    std::vector<std::function<void()>> jobs;
    for (std::size_t seed = 1; seed < first_pairs_.size(); ++seed)
      for (std::string const row : row_names)
        jobs.emplace_back([&, row, seed] {
          auto models = models_of(row, seed);
          outcomes[row][seed - 1] =
              evaluate(models, prompts_.test, seed, row == "best_of_4" ? 4 : 1, row == "caption_oracle");
        });
    std::map<std::string, score_table> phrasings;
    for (auto const* row : phrasing_rows) phrasings[row].resize(static_cast<std::size_t>(settings_.seeds));
    for (std::size_t seed = 1; seed < first_pairs_.size(); ++seed)
      for (std::string const row : phrasing_rows)
        jobs.emplace_back([&, row, seed] {
          auto models = models_of(row, seed);
          phrasings[row][seed - 1] = evaluate(models, prompts_.test_phrasings, seed).scores;
        });
    run_jobs("test prompts", jobs, settings_.workers);
    for (auto const* row : phrasing_rows)
      report_.phrasings.push_back({.system = row, .score = summarize(phrasings[row])});

    std::map<std::string, score_table> tables;
    for (auto const* row : row_names) {
      double malformed = 0;
      for (auto const& outcome : outcomes[row]) {
        tables[row].push_back(outcome.scores);
        malformed += outcome.malformed_rate / settings_.seeds;
      }
      report_.rows.push_back({.system = row, .score = summarize(tables[row]), .malformed_rate = malformed});
    }
    report_.lead = paired_lead(tables["sysdpo"], tables["language_model_only"]);
    for (std::string const row : row_names)
      if (row != "sysdpo") report_.leads.emplace_back(row, paired_lead(tables["sysdpo"], tables[row]));
    for (int a = 0; a < attribute_count; ++a) {
      attribute_result part{.attribute = std::string(attributes[static_cast<std::size_t>(a)].name),
                            .scores = {}};
      for (auto const* row : row_names) {
        score_table selected;
        for (auto const& scores : tables[row]) {
          auto& column = selected.emplace_back();
          for (std::size_t i = 0; i < scores.size(); ++i)
            if (prompts_.test[i].attribute == a) column.push_back(scores[i]);
        }
        if (!selected.front().empty()) part.scores.push_back(summarize(selected));
      }
      report_.attributes.push_back(std::move(part));
    }
  }

  /// The system behind a row: the unaligned one, a trained one, or the author of one with the painter of
  /// another.
  storybook_models models_of(std::string const& row, std::size_t seed) {
    storybook_models models(unaligned_);
    if (is_trained(row)) {
      sysdpo::load_system(folder_of(row, seed), models);
    } else if (row == "per_component") {
      sysdpo::load_system(folder_of("language_model_only", seed), models);
      storybook_models other(unaligned_);
      sysdpo::load_system(folder_of("diffusion_only", seed), other);
      models.get<painter_model>().parameters().copy_values(other.get<painter_model>().parameters());
    }
    return models;
  }

  /// Strips before and after, curves of the first seed, and the run itself.
  void finish_report() {
    std::vector<prompt> const shown(
        prompts_.test.begin(),
        prompts_.test.begin() + std::min<std::ptrdiff_t>(12, std::ssize(prompts_.test)));
    auto trained = models_of("sysdpo", 1);
    report_.fidelity_after = examine_painter(trained, options_, judge_);
    auto const before = generate_sequences(unaligned_, options_, judge_, shown, {.seed = 1'000'001});
    auto const after = generate_sequences(trained, options_, judge_, shown, {.seed = 1'000'001});
    for (std::size_t i = 0; i < shown.size(); ++i)
      report_.strips.push_back({.prompt = shown[i].text,
                                .increasing = shown[i].increasing,
                                .before = strip_of(before[i], shown[i]),
                                .after = strip_of(after[i], shown[i])});
    for (auto const* row : trained_rows)
      for (std::size_t seed = 1; seed < first_pairs_.size(); ++seed) {
        storybook_models scratch(unaligned_);
        auto const extra = sysdpo::load_system(folder_of(row, seed), scratch);
        report_.pairs += extra.at("pairs").get<std::size_t>();
        if (seed == 1)
          for (auto const& curve : extra.at("curves")) report_.curves.push_back(curve_from_json(curve));
      }
    auto const& denoising = options_.get<painter>();
    report_.settings = {
        {"attributes", fmt::format("{}", attribute_count)},
        {"seeds", fmt::format("{}", settings_.seeds)},
        {"rounds", fmt::format("{} of {} prompts × {} candidates, the clearest {:.0f}% of their pairs, "
                               "{} steps of {} pairs",
                               settings_.budget.rounds, settings_.budget.prompts, settings_.budget.candidates,
                               100 * settings_.budget.kept, settings_.budget.steps, settings_.budget.batch)},
        {"beta", fmt::format("{:g}", settings_.budget.beta)},
        {"imperfection",
         fmt::format("author ordered {:g}, painter off {:g}", settings_.p_order, settings_.rho)},
        {"loss", fmt::format("surrogate; {} the options of the theorem",
                             sysdpo::is_theorem(denoising) ? "under" : "not under")},
        {"weights",
         fmt::format("author {}, painter {}", unaligned_.get<author_model>().parameters().elements(),
                     unaligned_.get<painter_model>().parameters().elements())}};
    for (auto const* row : trained_rows) report_.settings.emplace_back(row, chosen_[row].text());
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    report_.peak_rss_mib = static_cast<double>(usage.ru_maxrss) / 1024;
    report_.seconds = std::chrono::duration<double>(clock::now() - begin_).count();
  }

  strip strip_of(scored_sequence const& drawn, prompt const& asked) {
    strip result;
    if (!drawn.valid) return result;
    auto const images = images_of(drawn.values);
    auto const readings = judge_.read(images, std::vector<int>(images.size(), asked.attribute));
    for (std::size_t k = 0; k < images.size(); ++k) {
      result.images.emplace_back(images[k].begin(), images[k].end());
      result.captions.push_back(decode(sysdpo::get<writer>(drawn.values)[k]));
      result.readings.push_back(readings[k]);
    }
    return result;
  }

  experiment_settings settings_;
  std::filesystem::path results_;
  regressor judge_;
  storybook_models unaligned_;
  prompt_sets prompts_;
  std::string world_;
  sysdpo::policy_options<storybook> options_;
  std::vector<std::vector<storybook_pair>> first_pairs_;  ///< by seed; 0 is the tuning's
  std::map<std::string, recipe> chosen_;
  unit_costs costs_;
  report_data report_;
  clock::time_point begin_;
};

}  // namespace progression
