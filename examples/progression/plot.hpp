// Line plots as inline SVG, coloured by CSS classes so that they follow the page's light or dark theme.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace progression {

/// `text` with the characters that HTML reserves spelled out.
inline std::string escape_html(std::string_view text) {
  std::string result;
  for (char const c : text) switch (c) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  return result;
}

/// A line of a plot: points that are not finite are left out.
struct plot_line {
  std::string label;
  std::string css_class;
  std::span<double const> x;
  std::span<double const> y;
};

namespace detail {

struct point {
  double x, y;
};

/// The finite points of `line`, averaged over equal runs down to at most `most` of them.
inline std::vector<point> thinned(plot_line const& line, std::size_t most) {
  std::vector<point> all;
  for (std::size_t i = 0; i < std::min(line.x.size(), line.y.size()); ++i)
    if (std::isfinite(line.x[i]) && std::isfinite(line.y[i])) all.push_back({line.x[i], line.y[i]});
  std::size_t const run = (all.size() + most - 1) / most;
  std::vector<point> result;
  for (std::size_t first = 0; first < all.size(); first += run) {
    std::size_t const last = std::min(first + run, all.size());
    point sum{0.0, 0.0};
    for (std::size_t i = first; i < last; ++i) sum = {sum.x + all[i].x, sum.y + all[i].y};
    auto const count = static_cast<double>(last - first);
    result.push_back({sum.x / count, sum.y / count});
  }
  return result;
}

/// A step of 1, 2 or 5 times a power of ten that parts `range` into about `parts`.
inline double tick_step(double range, double parts) {
  double const rough = range / parts, power = std::pow(10.0, std::floor(std::log10(rough)));
  double const lead = rough / power;
  return power * (lead < 1.5 ? 1.0 : lead < 3.5 ? 2.0 : lead < 7.5 ? 5.0 : 10.0);
}

}  // namespace detail

/// A plot of `lines` over a common scale; `level` draws a dashed horizontal where it is finite.
inline std::string line_plot(std::string_view title, std::span<plot_line const> lines,
                             double level = std::numeric_limits<double>::quiet_NaN()) {
  constexpr double width = 340, height = 190, left = 46, right = 10, top = 30, bottom = 26;
  std::vector<std::vector<detail::point>> paths;
  double x_low = HUGE_VAL, x_high = -HUGE_VAL, y_low = HUGE_VAL, y_high = -HUGE_VAL;
  for (auto const& line : lines) {
    paths.push_back(detail::thinned(line, 160));
    for (auto const& p : paths.back()) {
      x_low = std::min(x_low, p.x), x_high = std::max(x_high, p.x);
      y_low = std::min(y_low, p.y), y_high = std::max(y_high, p.y);
    }
  }
  std::string svg = fmt::format(
      "<svg class=\"plot\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\"><text class=\"title\" "
      "x=\"{}\" y=\"14\">{}</text>",
      width, height, escape_html(title), left, escape_html(title));
  if (x_low > x_high)
    return svg + fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\">nothing was logged</text></svg>", left,
                             height / 2);
  if (std::isfinite(level)) y_low = std::min(y_low, level), y_high = std::max(y_high, level);
  if (x_high == x_low) x_high = x_low + 1.0;
  double const padding = y_high > y_low ? 0.06 * (y_high - y_low) : 0.5 * std::max(std::abs(y_high), 1e-6);
  y_low -= padding, y_high += padding;
  auto const at_x = [&](double x) { return left + (x - x_low) / (x_high - x_low) * (width - left - right); };
  auto const at_y = [&](double y) {
    return height - bottom - (y - y_low) / (y_high - y_low) * (height - top - bottom);
  };

  auto const tick = [](double value, double step) { return std::abs(value) < 1e-9 * step ? 0.0 : value; };
  double const y_step = detail::tick_step(y_high - y_low, 4.0),
               x_step = detail::tick_step(x_high - x_low, 4.0);
  for (double i = std::ceil(y_low / y_step); i * y_step <= y_high; ++i)
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
        "<text class=\"tick\" text-anchor=\"end\" x=\"{3}\" y=\"{4:.1f}\">{5:.4g}</text>",
        left, width - right, at_y(i * y_step), left - 6, at_y(i * y_step) + 3.5, tick(i * y_step, y_step));
  for (double i = std::ceil(x_low / x_step); i * x_step <= x_high; ++i)
    svg += fmt::format("<text class=\"tick\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{}\">{:.6g}</text>",
                       at_x(i * x_step), height - 9, tick(i * x_step, x_step));
  if (std::isfinite(level))
    svg += fmt::format("<line class=\"level\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>", left,
                       width - right, at_y(level));
  double label_x = width - right;
  for (std::size_t i = lines.size(); i-- > 0;) {
    std::string points;
    for (auto const& p : paths[i]) points += fmt::format("{:.1f},{:.1f} ", at_x(p.x), at_y(p.y));
    svg += fmt::format("<polyline class=\"{}\" points=\"{}\"/>", lines[i].css_class, points);
    if (lines[i].label.empty()) continue;
    svg += fmt::format("<text class=\"label {}\" text-anchor=\"end\" x=\"{:.0f}\" y=\"14\">{}</text>",
                       lines[i].css_class, label_x, escape_html(lines[i].label));
    label_x -= 6.2 * static_cast<double>(lines[i].label.size()) + 12.0;
  }
  return svg + "</svg>";
}

}  // namespace progression
