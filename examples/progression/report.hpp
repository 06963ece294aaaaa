// The report for people: one HTML file with its style, plots and pictures inside, from the values of
// report_data.hpp.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sysdpo/io/file.hpp>

#include "plot.hpp"
#include "report_data.hpp"
#include "report_style.hpp"
#include "report_text.hpp"

namespace progression {

namespace detail {

/// The row of `system`, or null.
inline report_row const* find_row(report_data const& report, std::string_view system) {
  auto const found = std::find_if(report.rows.begin(), report.rows.end(),
                                  [system](auto const& row) { return row.system == system; });
  return found == report.rows.end() ? nullptr : &*found;
}

/// `value` under a fmt specification such as ".2f", with a minus sign instead of a hyphen, and none at 0.
inline std::string number(double value, std::string_view specification) {
  std::string text = fmt::format(fmt::runtime(fmt::format("{{:{}}}", specification)), value);
  bool const is_zero = text.find_first_not_of("-+0.") == std::string::npos;
  if (text.front() == '-') text.replace(0, 1, is_zero ? "" : "−");
  return text;
}

inline std::string plus_minus(double se, std::string_view format) {
  return std::isfinite(se) ? "<small>± " + fmt::format(fmt::runtime(format), se) + "</small>" : "";
}

/// A bar from `zero` to `value` on [low, high], with a whisker of one standard error to either side.
inline std::string bar(double value, double se, double low, double high) {
  auto const at = [&](double v) { return 100.0 * (std::clamp(v, low, high) - low) / (high - low); };
  double const zero = at(0.0), end = at(value);
  std::string html = fmt::format("<div class=\"track\"><i style=\"left:{:.2f}%;width:{:.2f}%\"></i>",
                                 std::min(zero, end), std::abs(end - zero));
  if (low < 0.0) html += fmt::format("<s style=\"left:{:.2f}%\"></s>", zero);
  if (std::isfinite(se) && se > 0.0)
    html += fmt::format("<u style=\"left:{:.2f}%;width:{:.2f}%\"></u>", at(value - se),
                        at(value + se) - at(value - se));
  return html + "</div>";
}

inline std::string heading(std::string_view title, std::string_view note) {
  return fmt::format("<h2>{}</h2><p class=\"note\">{}</p>", title, note);
}

inline std::string figures_section(report_data const& report) {
  auto const figure = [](std::string_view css_class, std::string const& value, std::string_view note) {
    return fmt::format("<div class=\"card figure {}\"><b>{}</b><span>{}</span></div>", css_class, value,
                       note);
  };
  std::string html = "<section class=\"figures\">";
  auto const *before = find_row(report, "before"), *after = find_row(report, "sysdpo");
  if (before != nullptr && after != nullptr) {
    html += figure("main",
                   fmt::format("{:.0f}% → {:.0f}%", 100.0 * before->score.order, 100.0 * after->score.order),
                   "of sequences in the order asked for");
    html += figure("main", number(before->score.q, ".2f") + " → " + number(after->score.q, ".2f"),
                   "preference score q, 1 is perfect");
  }
  auto const& lead = report.lead;
  html += figure("", fmt::format("{} {}", number(lead.q, "+.2f"), plus_minus(lead.q_se, "{:.2f}")),
                 "lead in q over language model only, paired");
  html += figure("",
                 fmt::format("{} {}", number(100.0 * lead.order, "+.1f"),
                             plus_minus(100.0 * lead.order_se, "{:.1f} points")),
                 "lead in order consistency, paired");
  return html + "</section>";
}

inline std::string rows_section(report_data const& report) {
  std::string html =
      "<div class=\"card\"><div class=\"row head\"><div>system</div><div>preference score q, from −1 to "
      "1</div>"
      "<div>order consistency, from 0 to 100%</div></div>";
  for (auto const& row : report.rows) {
    auto const label = label_of(row.system);
    auto const& s = row.score;
    html += fmt::format("<div class=\"row {}\"><div class=\"name\">{}<small>{}</small></div>",
                        escape_html(row.system), escape_html(label.name), label.note);
    html +=
        fmt::format("<div class=\"measure\" data-name=\"q\">{}<div class=\"value\"><b>{}</b> {}</div></div>",
                    bar(s.q, s.q_se, -1.0, 1.0), number(s.q, ".2f"), plus_minus(s.q_se, "{:.2f}"));
    html += fmt::format(
        "<div class=\"measure\" data-name=\"order\">{}<div class=\"value\"><b>{:.1f}%</b> "
        "{}</div></div></div>",
        bar(s.order, s.order_se, 0.0, 1.0), 100.0 * s.order, plus_minus(100.0 * s.order_se, "{:.1f}"));
  }
  return html + "</div>";
}

inline std::string strip_html(strip const& sequence, std::string_view css_class, std::string_view title,
                              bool increasing) {
  std::string verdict;
  if (sequence.readings.size() >= 2) {
    auto const score = score_sequence(sequence.readings, increasing);
    verdict = fmt::format("<em class=\"{}\">{} · q {}</em>", score.ordered ? "good" : "bad",
                          score.ordered ? "in order" : "not in order", number(score.q, ".2f"));
  }
  std::string html =
      fmt::format("<div class=\"{}\"><h4>{}{}</h4><div class=\"panels\">", css_class, title, verdict);
  for (std::size_t i = 0; i < sequence.images.size(); ++i) {
    canvas image(image_size, image_size, {});
    draw_picture(image, sequence.images[i], 0, 0, 1);
    html += fmt::format("<figure><img alt=\"\" src=\"{}\">", data_uri(image));
    if (i < sequence.readings.size()) html += bar(static_cast<double>(sequence.readings[i]), 0.0, 0.0, 1.0);
    if (i < sequence.captions.size())
      html += fmt::format("<figcaption>{}</figcaption>", escape_html(sequence.captions[i]));
    html += "</figure>";
  }
  return html + "</div></div>";
}

inline std::string strips_section(report_data const& report) {
  std::string html = "<div class=\"strips\">";
  for (auto const& pair : report.strips)
    html +=
        fmt::format("<article class=\"card\"><h3>{}</h3><div class=\"pair\">{}{}</div></article>",
                    escape_html(pair.prompt), strip_html(pair.before, "before", "before", pair.increasing),
                    strip_html(pair.after, "after", "after SysDPO", pair.increasing));
  return html + "</div>";
}

/// The mean margin of a curve over the last quarter of its steps, of those that are numbers.
inline double final_margin(learning_curve const& curve) {
  double sum = 0.0, count = 0.0;
  for (std::size_t i = curve.margin.size() * 3 / 4; i < curve.margin.size(); ++i)
    if (std::isfinite(curve.margin[i])) sum += curve.margin[i], ++count;
  return count > 0.0 ? sum / count : 0.0;
}

/// Whether the node's model moved away from its reference: that of a frozen one never does.
inline bool has_learnt(learning_curve const& curve) {
  auto const moved = [](double ratio) { return std::isfinite(ratio) && ratio != 0.0; };
  return std::any_of(curve.chosen.begin(), curve.chosen.end(), moved) ||
         std::any_of(curve.rejected.begin(), curve.rejected.end(), moved);
}

/// For each trained row, how much of the margin each model had made by the end.
inline std::string credit_section(report_data const& report) {
  std::string html = "<div class=\"card\">";
  for (auto const& written : report.curves) {
    auto const painted = std::find_if(report.curves.begin(), report.curves.end(), [&](auto const& c) {
      return c.system == written.system && c.node == "painter";
    });
    if (written.node != "writer" || painted == report.curves.end()) continue;
    auto const label = label_of(written.system);
    double const writer = final_margin(written), painter = final_margin(*painted);
    double const whole = std::max(std::abs(writer) + std::abs(painter), 1e-9);
    auto const part = [&](std::string_view css_class, std::string_view name, double margin) {
      double const share = 100.0 * std::abs(margin) / whole;
      if (share < 0.5) return std::string();
      return fmt::format("<div class=\"{}{}\" style=\"flex:{:.2f}\">{} {}</div>", css_class,
                         margin < 0 ? " against" : "", share, name,
                         writer < 0 || painter < 0 ? number(margin, ".2f") : fmt::format("{:.0f}%", share));
    };
    html += fmt::format(
        "<div class=\"credit\"><div class=\"name\">{}<small>margin {}</small></div><div "
        "class=\"shares\">{}{}</div></div>",
        escape_html(label.name), number(writer + painter, ".2f"), part("one", "writer", writer),
        part("two", "painter", painter));
  }
  return html + "</div>";
}

inline std::string curves_section(report_data const& report, bool of_sysdpo) {
  std::string html = of_sysdpo ? "<div class=\"card\">"
                               : "<details class=\"card\"><summary>The other trained rows</summary>";
  for (auto const& c : report.curves) {
    if ((c.system == "sysdpo") != of_sysdpo || !has_learnt(c)) continue;
    auto const line = [&c](std::string label, std::string css_class, std::vector<double> const& y) {
      return plot_line{.label = std::move(label), .css_class = std::move(css_class), .x = c.step, .y = y};
    };
    html += fmt::format("<h3 class=\"group\">{} <small>· {}</small></h3><div class=\"plots\">",
                        escape_html(label_of(c.system).name), escape_html(c.node));
    html += line_plot("margin", std::array{line("", "one", c.margin)}, 0.0);
    auto accuracy = c.accuracy;
    for (std::size_t i = 0; i < std::min(accuracy.size(), c.chosen.size()); ++i)
      if (c.chosen[i] == 0.0 && c.rejected[i] == 0.0) accuracy[i] = NAN;  // not trained yet
    html += line_plot("accuracy", std::array{line("", "one", accuracy)}, 0.5);
    html += line_plot("log-ratio",
                      std::array{line("chosen", "one", c.chosen), line("rejected", "two", c.rejected)}, 0.0);
    html += "</div>";
    if (!c.draw_noise.empty() && !c.margin.empty())
      html += fmt::format(
          "<p class=\"note\">Margin at the end {}; its deviation by the random draws alone {}</p>",
          number(c.margin.back(), ".3f"),
          number(std::accumulate(c.draw_noise.begin(), c.draw_noise.end(), 0.0) /
                     static_cast<double>(c.draw_noise.size()),
                 ".3f"));
  }
  return html + (of_sysdpo ? "</div>" : "</details>");
}

inline std::string phrasings_section(report_data const& report) {
  std::string html =
      "<div class=\"card scroll\"><table><thead><tr><th>system</th><th>q</th><th>order</th><th>order in "
      "known phrasings</th></tr></thead><tbody>";
  for (auto const& row : report.phrasings) {
    auto const* asked_before = find_row(report, row.system);
    html +=
        fmt::format("<tr><td>{}</td><td>{} {}</td><td>{:.1f}% {}</td><td>{}</td></tr>",
                    escape_html(label_of(row.system).name), number(row.score.q, ".2f"),
                    plus_minus(row.score.q_se, "{:.2f}"), 100.0 * row.score.order,
                    plus_minus(100.0 * row.score.order_se, "{:.1f}"),
                    asked_before == nullptr ? "" : fmt::format("{:.1f}%", 100.0 * asked_before->score.order));
  }
  return html + "</tbody></table></div>";
}

inline std::string attributes_section(report_data const& report) {
  std::string html = "<div class=\"card scroll\"><table class=\"attributes\"><thead><tr><th>attribute</th>";
  for (auto const& row : report.rows)
    html += fmt::format("<th>{}</th>", escape_html(label_of(row.system).name));
  html +=
      "<th>painter obeys, before</th><th>after</th><th>regressor R²</th><th>rank "
      "corr.</th></tr></thead><tbody>";
  for (std::size_t i = 0; i < report.attributes.size(); ++i) {
    auto const& a = report.attributes[i];
    html += fmt::format("<tr><td>{}{}</td>", escape_html(a.attribute),
                        painted_faithfully(static_cast<int>(i)) ? " <small>painted faithfully</small>" : "");
    if (a.scores.empty() && !report.rows.empty())
      html += fmt::format("<td colspan=\"{}\"><small>no test prompt</small></td>", report.rows.size());
    for (auto const& s : a.scores)
      html += fmt::format(
          "<td class=\"heat\" style=\"background:color-mix(in srgb, var(--accent) {:.0f}%, transparent)\" "
          "title=\"q {}\">{:.0f}%</td>",
          45.0 * std::clamp(s.order, 0.0, 1.0), number(s.q, ".2f"), 100.0 * s.order);
    for (auto const* fidelity : {&report.fidelity_before, &report.fidelity_after})
      html += i < fidelity->size() ? fmt::format("<td>{}</td>", number((*fidelity)[i], ".2f")) : "<td></td>";
    auto const read = std::find_if(report.regressor.begin(), report.regressor.end(),
                                   [&](auto const& r) { return r.attribute == a.attribute; });
    if (read != report.regressor.end())
      html += fmt::format("<td>{}</td><td>{}</td>", number(read->r2, ".3f"), number(read->spearman, ".3f"));
    else
      html += "<td></td><td></td>";
    html += "</tr>";
  }
  return html + "</tbody></table></div>";
}

inline std::string tuning_section(report_data const& report) {
  std::string html =
      "<details class=\"card\"><summary>Every setting tried</summary><div "
      "class=\"scroll\"><table><thead><tr><th>system</th>"
      "<th class=\"text\">setting</th><th>q</th><th>order</th></tr></thead><tbody>";
  for (auto const& t : report.tuning)
    html += fmt::format("<tr{}><td>{}</td><td class=\"text\">{}</td><td>{}</td><td>{:.1f}%</td></tr>",
                        t.chosen ? " class=\"chosen\"" : "", escape_html(label_of(t.system).name),
                        escape_html(t.setting), number(t.q, ".3f"), 100.0 * t.order);
  return html + "</tbody></table></div></details>";
}

inline std::string run_section(report_data const& report) {
  double longest = 1e-9;
  for (auto const& [name, seconds] : report.stages) longest = std::max(longest, seconds);
  std::string html = "<div class=\"columns\"><div class=\"card\">";
  for (auto const& [name, seconds] : report.stages) {
    auto const told = std::find_if(report.plan.begin(), report.plan.end(),
                                   [&stage = name](auto const& planned) { return planned.first == stage; });
    html += fmt::format("<div class=\"stage\"><span>{}</span>{}<span>{:.0f} s{}</span></div>",
                        escape_html(name), bar(seconds, 0.0, 0.0, longest), seconds,
                        told == report.plan.end() ? "" : fmt::format(" of {:.0f}", told->second));
  }
  html += "</div><div class=\"card\"><dl>";
  for (auto const& [name, value] : report.settings)
    html += fmt::format("<dt>{}</dt><dd>{}</dd>", escape_html(name), escape_html(value));
  html += fmt::format(
      "<dt>pairs in all</dt><dd>{}</dd><dt>whole run</dt><dd>{:.0f} s</dd><dt>peak memory</dt><dd>{:.0f} "
      "MiB</dd>",
      report.pairs, report.seconds, report.peak_rss_mib);
  for (auto const& row : report.rows)
    if (row.malformed_rate > 0.0)
      html += fmt::format("<dt>malformed, {}</dt><dd>{:.2f}%</dd>", escape_html(label_of(row.system).name),
                          100.0 * row.malformed_rate);
  return html + "</dl></div></div>";
}

}  // namespace detail

/// The whole page. Sections without data are left out.
inline std::string to_html(report_data const& report) {
  using namespace detail;
  std::string html =
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, "
      "initial-scale=1\"><title>SysDPO: the progression</title><style>";
  html += report_style;
  html +=
      "</style></head><body><main><header><div class=\"eyebrow\">System-level direct preference "
      "optimization</div>"
      "<h1>One loss for a writer and a painter</h1><p class=\"lede\">Asked for a progression, a language "
      "model writes three "
      "captions and a diffusion model draws each. Preferences exist for the finished sequence alone. Aligned "
      "as one system, both "
      "models learn from them.</p></header>";
  html += figures_section(report);
  html +=
      heading("The system",
              "Two models, four nodes: the three painters share their weights. The coloured nodes learn.");
  html += fmt::format("<div class=\"card\">{}</div>", system_diagram);
  if (!report.rows.empty()) {
    auto const& s = report.rows.front().score;
    html += heading(
        "Results",
        fmt::format(
            "{} held-out prompts, {}. All trained rows had as many generated sequences, pairs and steps.",
            s.prompts,
            s.seeds == 1 ? "one seed"
                         : fmt::format("{} seeds; whiskers are one standard error over them", s.seeds)));
    html += rows_section(report);
  }
  if (!report.strips.empty()) {
    html += heading("Before and after",
                    "Held-out prompts. The bar under an image is the regressor's "
                    "reading of the prompt's attribute; below it stands the caption that the writer chose.");
    html += strips_section(report);
  }
  if (!report.attributes.empty()) {
    html += heading(
        "By attribute",
        "Order consistency; hover for q. On the right: how well the images follow their captions (rank "
        "correlation of level named and level read), before and after SysDPO, and how well the regressor "
        "reads "
        "held-out pictures. A few attributes were taught to the painter without faults.");
    html += attributes_section(report);
  }
  if (!report.phrasings.empty()) {
    html +=
        heading("In other words",
                "Prompts in openings and changes that no training prompt has, made of words that some have.");
    html += phrasings_section(report);
  }
  if (!report.curves.empty()) {
    html += heading(
        "Where the credit went",
        "Each model's share of the margin between winner and loser, over the last quarter of the steps, "
        "first seed. A model that worked against it is hatched, and margins stand instead of shares.");
    html += credit_section(report);
    html +=
        heading("Who learned what",
                "Each node's share of the margin, of the pairs it gets right, and the log-ratio of policy to "
                "reference for winner and loser, step by step.");
    html += curves_section(report, true) + curves_section(report, false);
  }
  if (!report.tuning.empty()) {
    html += heading("Tuning",
                    "The same number of settings for every trained row, judged on validation prompts; the "
                    "test prompts were "
                    "looked at once.");
    html += tuning_section(report);
  }
  html +=
      heading("The run", "Where the time went, beside what was told before the run, and what the run was.");
  html += run_section(report);
  html += heading("What to make of it", "");
  html += honest_notes;
  return html + "<footer>Written by the progression example of sysdpo.</footer></main></body></html>\n";
}

/// Writes report.json, report.html, sequences.png and attributes.png into `folder`, which must exist. Throws
/// `sysdpo::error` if it cannot.
inline void write_report(std::filesystem::path const& folder, report_data const& report) {
  auto const draw = [&](char const* name, canvas const& made) {
    auto const bytes = encode_png(made);
    sysdpo::write_file(folder / name, std::as_bytes(std::span(bytes)));
  };
  sysdpo::write_file(folder / "report.json", to_json(report).dump(2) + "\n");
  sysdpo::write_file(folder / "report.html", to_html(report));
  draw("sequences.png", draw_sequences(report.strips));
  draw("attributes.png", draw_attributes());
}

}  // namespace progression
