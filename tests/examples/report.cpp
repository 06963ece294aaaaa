#include "../../examples/progression/report.hpp"

#include <iterator>
#include <limits>
#include <vector>

#include "support/catch.hpp"

using namespace progression;

namespace {

double const nan = std::numeric_limits<double>::quiet_NaN();

/// A report with something in every part, some of it awkward.
report_data full_report() {
  std::vector<float> const image(image_values, 0.25F);
  row_summary const score{
      .q = -0.25, .q_se = nan, .order = 0.5, .order_se = 0.01, .seeds = 1, .prompts = 200};
  report_data report;
  for (auto const& label : detail::system_labels)
    report.rows.push_back({.system = std::string(label.key), .score = score, .malformed_rate = 0.01});
  report.lead = {.q = 0.25, .q_se = 0.02, .order = 0.1, .order_se = 0.01};
  report.pairs = 1600;
  report.seconds = 12.5;
  report.peak_rss_mib = 300.0;
  report.stages = {{"regressor", 0.0}};
  report.settings = {{"beta", "0.5"}};
  report.plan = {{"regressor", 2.0}};
  report.fidelity_before = {0.5};
  report.fidelity_after = {0.875};
  report.phrasings = {{.system = "before", .score = score}};
  report.regressor = {{.attribute = "ice", .r2 = 0.95, .spearman = 0.97}};
  report.attributes = {{.attribute = "ice", .scores = std::vector<row_summary>(report.rows.size(), score)}};
  report.tuning = {{.system = "sysdpo", .setting = "rate 1e-4", .q = 0.1, .order = 0.4, .chosen = true}};
  report.curves = {{.system = "sysdpo",
                    .node = "writer",
                    .step = {0.0, 1.0, 2.0},
                    .margin = {0.0, nan, 0.5},
                    .accuracy = {},
                    .chosen = {1.0, 1.0, 1.0},
                    .rejected = {nan, nan, nan},
                    .draw_noise = {0.125, 0.375}},
                   {.system = "sysdpo",
                    .node = "painter",
                    .step = {0.0, 1.0, 2.0},
                    .margin = {0.0, 0.0, 1.5},
                    .accuracy = {1.0, 1.0, 1.0},
                    .chosen = {1.0, 1.0, 1.0},
                    .rejected = {1.0, 1.0, 1.0},
                    .draw_noise = {}}};
  report.strips = {
      {.prompt = "a \"lake\" & ice",
       .increasing = true,
       .before = {.images = {image}, .captions = {"a lake <sep> <sep>"}, .readings = {0.5F}},
       .after = {.images = {image, image, image},
                 .captions = {"a lake with no ice", "a lake with some ice", "a lake with full ice"},
                 .readings = {0.1F, 0.5F, 0.9F}}}};
  return report;
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("The report's JSON has the promised members") {
  auto const json = nlohmann::json::parse(to_json(full_report()).dump());
  REQUIRE(json.at("rows").size() == 9);
  std::vector<std::string> systems;
  for (auto const& row : json["rows"]) {
    systems.push_back(row.at("system"));
    CHECK(row.at("q") == -0.25);
    CHECK(row.at("q_se").is_null());
    CHECK(row.at("order") == 0.5);
    CHECK(row.at("order_se") == 0.01);
    CHECK(row.at("seeds") == 1);
    CHECK(row.at("prompts") == 200);
  }
  CHECK(systems == std::vector<std::string>{"before", "best_of_4", "caption_oracle", "sft_on_winners",
                                            "language_model_only", "diffusion_only", "per_component",
                                            "sysdpo_offline", "sysdpo"});
  CHECK(json.at("lead") == nlohmann::json{{"q", 0.25}, {"q_se", 0.02}, {"order", 0.1}, {"order_se", 0.01}});
  CHECK(json.at("pairs") == 1600);
  CHECK(json.at("seconds") == 12.5);
  CHECK(json.at("stages").at("regressor") == 0.0);
  CHECK(json.at("peak_rss_mib") == 300.0);
  CHECK(json.at("attributes").at("ice").at("sysdpo").at("order") == 0.5);
  CHECK(json.at("plan").at("regressor") == 2.0);
  CHECK(json.at("caption_fidelity").at("brightness").at("after") == 0.875);
  CHECK(json.at("unseen_phrasings").at(0).at("system") == "before");
  CHECK(json.at("curves").at(0).at("margin").at(1).is_null());
}

TEST_CASE("The page holds everything inside itself") {
  std::string const html = to_html(full_report());
  CHECK(count(html, "http") == 0);
  CHECK(count(html, "url(") == 0);
  CHECK(count(html, "src=") == 4);
  CHECK(count(html, "src=\"data:image/png;base64,") == 4);
  for (char const* tag : {"div", "section", "svg", "table", "tr", "td", "figure", "article", "details", "dl",
                          "ul", "li", "g"}) {
    INFO(tag);
    std::string const open = std::string("<") + tag;
    CHECK(count(html, open + ">") + count(html, open + " ") == count(html, std::string("</") + tag + ">"));
  }
}

TEST_CASE("What a model wrote cannot break the page") {
  std::string const html = to_html(full_report());
  CHECK(html.find("<sep>") == std::string::npos);
  CHECK(html.find("a lake &lt;sep&gt; &lt;sep&gt;") != std::string::npos);
  CHECK(html.find("a &quot;lake&quot; &amp; ice") != std::string::npos);
  CHECK(html.find("deviation by the random draws alone 0.250") != std::string::npos);
}

TEST_CASE("Undefined numbers are left out of the page") {
  std::string const html = to_html(full_report());
  std::string const body = html.substr(html.find("</style>"));
  CHECK(body.find("nan") == std::string::npos);
  CHECK(body.find("inf") == std::string::npos);
  CHECK(body.find("nothing was logged") != std::string::npos);  // the empty accuracy curve
}

TEST_CASE("An attribute that no test prompt is about keeps the table's columns") {
  auto report = full_report();
  report.attributes.push_back({.attribute = "fog density", .scores = {}});
  report.fidelity_before = report.fidelity_after = {0.5, -0.001};
  auto const page = to_html(report);
  auto const row = page.substr(page.find("<td>fog density"));
  CHECK_THAT(
      row.substr(0, row.find("</tr>")),
      Catch::Contains(fmt::format("colspan=\"{}\"", report.rows.size())) && Catch::Contains("<td>0.00</td>"));
}

TEST_CASE("Credit is parted by the margins at the end") {
  std::string const html = to_html(full_report());
  CHECK(html.find(">writer 25%<") != std::string::npos);
  CHECK(html.find(">painter 75%<") != std::string::npos);
  CHECK(html.find("<small>margin 2.00</small>") != std::string::npos);
}

TEST_CASE("a node that worked against the margin is shown to have, and one that was frozen is not plotted") {
  auto report = full_report();
  report.curves[1].margin = {0.0, 0.0, -0.25};
  report.curves.push_back(report.curves[1]);
  report.curves.back().system = "language_model_only";
  for (auto* ratios : {&report.curves.back().chosen, &report.curves.back().rejected})
    *ratios = {0.0, 0.0, 0.0};
  auto const html = to_html(report);
  CHECK(html.find("class=\"two against\"") != std::string::npos);
  CHECK(html.find(">painter −0.25<") != std::string::npos);
  CHECK(html.find(">writer 0.50<") != std::string::npos);
  auto const plotted = html.substr(html.find("Who learned what"));
  CHECK(count(plotted, "<small>· painter</small>") == 1);
}

TEST_CASE("An empty report is still a page") {
  std::string const html = to_html({});
  CHECK(html.find("<h2>The system</h2>") != std::string::npos);
  CHECK(html.find("<h2>Results</h2>") == std::string::npos);
  CHECK(html.find("<h2>Before and after</h2>") == std::string::npos);
}

TEST_CASE("A plot's line spans its frame and keeps to it") {
  std::vector<double> const x{0.0, 50.0, 100.0}, y{-1.0, 0.0, 3.0};
  std::string const svg =
      line_plot("loss", std::vector<plot_line>{{.label = "one", .css_class = "one", .x = x, .y = y}});
  CHECK(svg.find("points=\"46.0,") != std::string::npos);
  CHECK(svg.find(" 330.0,") != std::string::npos);
  CHECK(count(svg, "<polyline") == 1);
  CHECK(svg.find(">40</text>") != std::string::npos);
}

TEST_CASE("Long logs are drawn as means of equal runs") {
  std::vector<double> x(1000), y(1000);
  for (std::size_t i = 0; i < 1000; ++i) x[i] = static_cast<double>(i), y[i] = i % 2 == 0 ? 0.0 : 1.0;
  auto const points = detail::thinned({.label = "", .css_class = "", .x = x, .y = y}, 125);
  REQUIRE(points.size() == 125);
  for (auto const& p : points) CHECK(p.y == 0.5);
  CHECK(points.front().x == 3.5);
}

TEST_CASE("A report is four files, or an error that names the folder") {
  auto const folder = std::filesystem::temp_directory_path() / "sysdpo_report_test";
  std::filesystem::remove_all(folder);
  CHECK_THROWS_WITH(write_report(folder, full_report()), Catch::Contains("sysdpo_report_test"));
  std::filesystem::create_directories(folder);
  write_report(folder, full_report());
  CHECK(std::distance(std::filesystem::directory_iterator(folder), {}) == 4);
  for (char const* name : {"report.json", "report.html", "sequences.png", "attributes.png"})
    CHECK(std::filesystem::file_size(folder / name) > 100);
  std::filesystem::remove_all(folder);
}
