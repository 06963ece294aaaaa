// What a run of the progression reports: plain values, filled in by the main program, and their JSON form.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "attributes.hpp"
#include "picture.hpp"
#include "scores.hpp"

namespace progression {

/// A row of the results table. `system` is one of `row_names` (rows.hpp).
struct report_row {
  std::string system{};
  row_summary score{};
  double malformed_rate = 0.0;  ///< share of sequences whose captions stayed malformed after resampling
};

/// How well the regressor reads an attribute off held-out pictures.
struct regressor_result {
  std::string attribute{};
  double r2 = 0.0;
  double spearman = 0.0;
};

/// One attribute's share of the table; `scores` in the order of the report's rows.
struct attribute_result {
  std::string attribute{};
  std::vector<row_summary> scores{};
};

/// One setting tried for a row on the validation prompts.
struct tuning_result {
  std::string system{};
  std::string setting{};
  double q = 0.0;
  double order = 0.0;
  bool chosen = false;
};

/// What one node logged while a row was trained; the vectors have one entry a logged step.
struct learning_curve {
  std::string system{};            ///< the row
  std::string node{};              ///< "writer", "painter", or "system" for the sum
  std::vector<double> step{};      ///< counted through all rounds
  std::vector<double> margin{};    ///< chosen's reward minus rejected's
  std::vector<double> accuracy{};  ///< share of pairs with a positive margin
  std::vector<double> chosen{};    ///< the winner's log-ratio of policy to reference
  std::vector<double> rejected{};  ///< the loser's
  /// Deviation of the margin by the random draws alone, at every step it was measured, a few a round.
  std::vector<double> draw_noise{};
};

/// Everything in report.json and report.html.
struct report_data {
  std::vector<report_row> rows{};
  lead_summary lead{};                                        ///< sysdpo minus language_model_only, paired
  std::vector<std::pair<std::string, lead_summary>> leads{};  ///< sysdpo minus each other row, paired
  std::size_t pairs = 0;
  double seconds = 0.0;
  double peak_rss_mib = 0.0;
  std::vector<std::pair<std::string, double>> stages{};  ///< name, seconds; in order
  std::vector<std::pair<std::string, std::string>>
      settings{};                                      ///< what the run was: sizes, rounds, β, seeds …
  std::vector<std::pair<std::string, double>> plan{};  ///< the stages' seconds as told before the run
  std::vector<regressor_result> regressor{};
  /// Rank correlation of each attribute's captions with the images painted for them, by the unaligned painter
  /// and by SysDPO's; in the order of `attributes`.
  std::vector<double> fidelity_before{}, fidelity_after{};
  std::vector<report_row> phrasings{};  ///< some rows, asked in phrasings that training never showed
  std::vector<attribute_result> attributes{};
  std::vector<tuning_result> tuning{};
  std::vector<learning_curve> curves{};
  std::vector<strip_pair> strips{};  ///< report.html only
};

template <class Json = nlohmann::ordered_json>
Json to_json(learning_curve const& c) {
  return {
      {"system", c.system},     {"node", c.node},     {"step", c.step},         {"margin", c.margin},
      {"accuracy", c.accuracy}, {"chosen", c.chosen}, {"rejected", c.rejected}, {"draw_noise", c.draw_noise}};
}

/// The inverse of `to_json`. \throws nlohmann::json::exception if a member is missing.
inline learning_curve curve_from_json(nlohmann::json const& from) {
  return {.system = from.at("system"),
          .node = from.at("node"),
          .step = from.at("step"),
          .margin = from.at("margin"),
          .accuracy = from.at("accuracy"),
          .chosen = from.at("chosen"),
          .rejected = from.at("rejected"),
          .draw_noise = from.at("draw_noise")};
}

/// The report without its pictures. Undefined numbers, such as standard errors of a single seed, become null.
inline nlohmann::ordered_json to_json(report_data const& report) {
  using json = nlohmann::ordered_json;
  auto const scores = [](row_summary const& s) {
    return json{{"q", s.q},         {"q_se", s.q_se},      {"order", s.order}, {"order_se", s.order_se},
                {"seeds", s.seeds}, {"prompts", s.prompts}};
  };
  json result;
  result["rows"] = json::array();
  for (auto const& row : report.rows) {
    json entry{{"system", row.system}};
    entry.update(scores(row.score));
    entry["malformed_rate"] = row.malformed_rate;
    result["rows"].push_back(std::move(entry));
  }
  result["lead"] = {{"q", report.lead.q},
                    {"q_se", report.lead.q_se},
                    {"order", report.lead.order},
                    {"order_se", report.lead.order_se}};
  for (auto const& [system, lead] : report.leads)
    result["leads"][system] = {
        {"q", lead.q}, {"q_se", lead.q_se}, {"order", lead.order}, {"order_se", lead.order_se}};
  result["unseen_phrasings"] = json::array();
  for (auto const& row : report.phrasings) {
    json entry{{"system", row.system}};
    entry.update(scores(row.score));
    result["unseen_phrasings"].push_back(std::move(entry));
  }
  result["pairs"] = report.pairs;
  result["seconds"] = report.seconds;
  result["stages"] = json::object();
  for (auto const& [name, seconds] : report.stages) result["stages"][name] = seconds;
  result["plan"] = json::object();
  for (auto const& [name, seconds] : report.plan) result["plan"][name] = seconds;
  result["peak_rss_mib"] = report.peak_rss_mib;
  result["settings"] = json::object();
  for (auto const& [name, value] : report.settings) result["settings"][name] = value;
  result["regressor"] = json::object();
  for (auto const& r : report.regressor)
    result["regressor"][r.attribute] = {{"r2", r.r2}, {"spearman", r.spearman}};
  for (std::size_t a = 0; a < report.fidelity_before.size() && a < report.fidelity_after.size(); ++a)
    result["caption_fidelity"][std::string(attributes.at(a).name)] = {
        {"before", report.fidelity_before[a]},
        {"after", report.fidelity_after[a]},
        {"painted_faithfully", painted_faithfully(static_cast<int>(a))}};
  result["attributes"] = json::object();
  for (auto const& a : report.attributes)
    for (std::size_t i = 0; i < a.scores.size() && i < report.rows.size(); ++i)
      result["attributes"][a.attribute][report.rows[i].system] = scores(a.scores[i]);
  result["tuning"] = json::array();
  for (auto const& t : report.tuning)
    result["tuning"].push_back(
        {{"system", t.system}, {"setting", t.setting}, {"q", t.q}, {"order", t.order}, {"chosen", t.chosen}});
  result["curves"] = json::array();
  for (auto const& c : report.curves) result["curves"].push_back(to_json(c));
  return result;
}

}  // namespace progression
