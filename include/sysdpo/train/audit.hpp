// Examines policies, one's own above all, on a few pairs of real data, and says in words what is wrong:
//
//   shape          one finite number a row
//   determinism    the same rows score the same twice, and scoring leaves the weights alone
//   rows           a row scores the same alone as in a batch
//   gradient       what the tape gives agrees with finite differences, weight array by weight array
//   accumulation   a second backward pass adds to the gradients of the first
//   log-ratio      zero where policy and reference have equal weights, opposite when they change places
//   normalisation  (exact policies) E[∇ log p(v)] = 0 over the policy's own samples: fails if log p lacks a
//                  normaliser that depends on weights, or if `sample` draws from something else than p; over
//                  categories the probabilities must also add up to 1
//   sampling       the same request draws the same value, alone and in a batch
//
// All in double, at weights moved a little away from where they stand, on copies: the models given are only
// read. Costs two forward passes for each weight array: audit small configurations.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <exception>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sysdpo/graph/preference.hpp"
#include "sysdpo/loss/log_ratio.hpp"
#include "sysdpo/model/models.hpp"
#include "sysdpo/train/generate.hpp"

namespace sysdpo {

/// How thoroughly to look.
struct audit_options {
  std::uint64_t seed = 0;
  double tolerance = 1e-5;     ///< relative, of derivatives
  double perturbation = 0.02;  ///< deviation of the noise that is added to every weight
  int samples = 400;           ///< of each of a few parents, for the normalisation
};

/// One thing that was looked at.
struct audit_finding {
  std::string node;
  std::string check;
  bool sound = true;
  std::string what;  ///< what is wrong and where to look, or why the check was left out; empty if all is well
};

/// All that was looked at.
struct audit_report {
  std::vector<audit_finding> findings;

  /// Whether nothing is wrong.
  [[nodiscard]] bool sound() const {
    return std::all_of(findings.begin(), findings.end(), [](auto const& finding) { return finding.sound; });
  }
  /// A line for each finding.
  [[nodiscard]] std::string text() const {
    std::string lines;
    for (auto const& finding : findings)
      lines += fmt::format("{:<6} {}, {}{}{}\n", finding.sound ? "ok" : "WRONG", finding.node, finding.check,
                           finding.what.empty() ? "" : ": ", finding.what);
    return lines;
  }
};

namespace detail {

/// Audits the node `Node` of a system.
template <class System, class Backend, class Node>
class node_audit {
 public:
  using name = typename Node::name;
  using policy = typename Node::policy;
  using value = typename Node::value;
  using models_type = models<System, Backend, precision<double>>;
  using row = row_of<System, Node>;
  using request = request_of<System, Node>;
  using numbers = std::vector<double>;

  node_audit(models_type const& given, policy_options<System> const& policies,
             std::vector<preference<System>> const& pairs, audit_options const& options, audit_report& report)
      : policy_(given),
        reference_(given),
        settings_(policies.template get<policy>()),
        options_(options),
        report_(&report),
        random_(options.seed, System::template index_of<name>) {
    for (auto const& pair : pairs)
      for (int side = 0; side < 2; ++side) {
        auto const& values = side == 0 ? pair.chosen : pair.rejected;
        rows_.push_back({.value = &get<name>(values),
                         .parents = parent_pointers<name>(values),
                         .key = key(pair.id),
                         .side = side});
        requests_.push_back(
            {.parents = parent_pointers<name>(values), .key = key(pair.id, generation_draws)});
      }
  }

  void run() {
    if constexpr (is_scored<policy>) {
      if constexpr (has_model) {
        move_weights(policy_);
        move_weights(reference_);
      }
      if (!scores_rows()) return;  // everything else builds on this
      is_deterministic();
      rows_are_independent();
      if constexpr (has_model) {
        ratio_is_antisymmetric();
        gradients_agree();
      }
    }
    if constexpr (can_sample) {
      auto const is_complete = samples_are_keyed();
      if constexpr (is_scored<policy> && has_model && policy::loss_is == loss_kind::exact && is_direct)
        if (is_complete) is_normalised();
    } else {
      note("sampling", "left out, the policy has no `sample`: the system cannot generate");
    }
    if constexpr (is_scored<policy> && is_direct && requires { value::categories; }) adds_up_to_one();
  }

 private:
  static constexpr bool has_model = !std::is_same_v<typename policy::model, no_model>;
  using instance =
      std::remove_reference_t<decltype(std::declval<models_type&>().template get<typename policy::model>())>;
  static constexpr bool is_direct =
      scores_log_prob<policy, instance, tape<Backend, double>, std::span<row const>>;
  static constexpr bool can_sample =
      requires(instance& model, options_of<policy> const& settings, std::span<request const> requests) {
        policy::sample(model, settings, requests);
      };

  [[nodiscard]] draw_key key(std::uint64_t id, std::uint32_t draw = 0, std::uint32_t visit = 0) const {
    return {.seed = options_.seed,
            .pair = id,
            .node = static_cast<std::uint32_t>(System::template index_of<name>),
            .visit = visit,
            .draw = draw};
  }

  void note(std::string check, std::string what = {}) { add(std::move(check), true, std::move(what)); }
  void add(std::string check, bool sound, std::string what) {
    report_->findings.push_back({std::string(name_of<name>()), std::move(check), sound, std::move(what)});
  }

  auto& model_of(models_type& models) { return models.template get<typename policy::model>(); }

  /// Log-ratios of `rows`, recorded on `tape`.
  variable<Backend, double> ratios(tape<Backend, double>& tape, models_type& policy_models,
                                   models_type& reference, std::vector<row> const& rows) {
    std::span<row const> const all(rows);
    auto const record = reference_record<policy, Backend, double>(model_of(reference), settings_, all);
    return log_ratio<policy>(tape, model_of(policy_models), record, settings_, all);
  }
  numbers ratios(models_type& policy_models, models_type& reference, std::vector<row> const& rows) {
    tape<Backend, double> scratch(recording::off);
    return ratios(scratch, policy_models, reference, rows).value().to_host();
  }
  /// What the rows score: log p for policies that give it, else the log-ratio.
  variable<Backend, double> scored(std::vector<row> const& rows) {
    tape<Backend, double> scratch(recording::off);
    if constexpr (is_direct)
      return policy::log_prob(scratch, model_of(policy_), settings_, std::span<row const>(rows));
    else
      return ratios(scratch, policy_, reference_, rows);
  }
  numbers scores(std::vector<row> const& rows) { return scored(rows).value().to_host(); }

  static bool is_near(double a, double b, double relative) {
    return std::abs(a - b) <= relative * (1 + std::abs(a) + std::abs(b));
  }

  void move_weights(models_type& models) {
    for (auto& weight : model_of(models).parameters()) {
      auto values = weight.value.to_host();
      for (auto& x : values) x += options_.perturbation * static_cast<double>(random_.normal());
      Backend::upload(weight.value.data(), values.data(), weight.value.bytes());
    }
  }

  bool scores_rows() {
    auto const score = scored(rows_);
    auto const values = score.value().to_host();
    std::string what;
    if (score.extents() != shape{std::ssize(rows_)})
      what = fmt::format("{} rows gave an array {}; return one number a row, [rows]", rows_.size(),
                         to_string(score.extents()));
    for (std::size_t i = 0; i < values.size() && what.empty(); ++i)
      if (!std::isfinite(values[i]))
        what = fmt::format("row {} scores {}; look for a logarithm of 0, a division by 0 or an overflow", i,
                           values[i]);
    add("shape", what.empty(), what);
    return what.empty();
  }

  void is_deterministic() {
    std::vector<numbers> before;
    for (auto const& weight : weights()) before.push_back(weight.value.to_host());
    auto const first = scores(rows_);
    auto const second = scores(rows_);
    std::string what;
    for (std::size_t i = 0; i < first.size() && what.empty(); ++i)
      if (first[i] != second[i])
        what = fmt::format(
            "row {} scored {:.12g}, then {:.12g}; take random numbers from the row's key, not from a "
            "generator",
            i, first[i], second[i]);
    auto was = before.begin();
    for (auto const& weight : weights())
      if (weight.value.to_host() != *was++ && what.empty())
        what = fmt::format("scoring changed the weight '{}'; only the optimiser may", weight.name);
    add("determinism", what.empty(), what);
  }

  void rows_are_independent() {
    auto const together = scores(rows_);
    std::string what;
    for (std::size_t i = 0; i < rows_.size() && what.empty(); ++i) {
      auto const alone = scores({rows_[i]}).front();
      if (!is_near(alone, together[i], 1e-9))
        what = fmt::format(
            "row {} scores {:.9g} alone and {:.9g} in a batch of {}; rows must not see each other, and "
            "random numbers come from the row's key, not from its place",
            i, alone, together[i], rows_.size());
    }
    add("rows", what.empty(), what);
  }

  void ratio_is_antisymmetric() {
    models_type same(policy_);
    std::string what;
    auto const zero = ratios(policy_, same, rows_);
    for (std::size_t i = 0; i < zero.size() && what.empty(); ++i)
      if (!is_near(zero[i], 0, 1e-9))
        what = fmt::format(
            "row {} has the log-ratio {:.9g} where policy and reference have equal weights; both must see "
            "the same random draws",
            i, zero[i]);
    auto const forth = ratios(policy_, reference_, rows_);
    auto const back = ratios(reference_, policy_, rows_);
    for (std::size_t i = 0; i < forth.size() && what.empty(); ++i)
      if (!is_near(forth[i], -back[i], 1e-9))
        what = fmt::format(
            "row {} has the log-ratio {:.9g}, and {:.9g} when policy and reference change places; it must "
            "change its sign and nothing else",
            i, forth[i], back[i]);
    add("log-ratio", what.empty(), what);
  }

  auto& weights() { return model_of(policy_).parameters(); }

  /// A direction within `values`, of length 1.
  numbers direction(std::size_t size) {
    numbers u(size);
    double norm = 0;
    for (auto& x : u) {
      x = static_cast<double>(random_.normal());
      norm += x * x;
    }
    for (auto& x : u) x /= std::sqrt(std::max(norm, 1e-300));
    return u;
  }

  /// (f(w + h·u) − f(w − h·u)) / 2h, number by number.
  template <class Evaluate>
  numbers difference(tensor<Backend, double> const& weight, numbers const& u, Evaluate&& evaluate) {
    constexpr double h = 1e-5;
    auto const start = weight.to_host();
    auto const at = [&](double step) {
      auto moved = start;
      for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += step * u[i];
      Backend::upload(weight.data(), moved.data(), weight.bytes());
      return evaluate();
    };
    numbers slope = at(h);
    numbers const below = at(-h);
    Backend::upload(weight.data(), start.data(), weight.bytes());
    for (std::size_t i = 0; i < slope.size(); ++i) slope[i] = (slope[i] - below[i]) / (2 * h);
    return slope;
  }

  void backward(numbers const& upstream) {
    tape<Backend, double> tape;
    auto const root = ratios(tape, policy_, reference_, rows_);
    tape.backward(root, tensor<Backend, double>::from_host(root.extents(), upstream));
  }

  void gradients_agree() {
    numbers upstream(rows_.size());
    for (auto& x : upstream) x = static_cast<double>(random_.normal());
    weights().clear_gradients();
    backward(upstream);
    std::vector<numbers> once;
    std::string what;
    bool any = false;
    for (auto& weight : weights()) {
      auto const filled = weight.gradient.filled;
      once.push_back(filled ? weight.gradient.value.to_host()
                            : numbers(static_cast<std::size_t>(weight.value.size()), 0.0));
      if (!weight.trainable || !what.empty()) {
        if (!weight.trainable && filled && what.empty())
          what = fmt::format(
              "the frozen weight '{}' was given a gradient; take weights with tape.watch(parameter)",
              weight.name);
        continue;
      }
      auto const u = direction(once.back().size());
      double analytic = 0;
      for (std::size_t i = 0; i < u.size(); ++i) analytic += u[i] * once.back()[i];
      auto const slopes = difference(weight.value, u, [&] { return ratios(policy_, reference_, rows_); });
      double numeric = 0, scale = 0;
      for (std::size_t i = 0; i < slopes.size(); ++i) {
        numeric += upstream[i] * slopes[i];
        scale += std::abs(upstream[i] * slopes[i]);
      }
      any = any || numeric != 0;
      if (!(std::abs(analytic - numeric) <= options_.tolerance * (scale + std::abs(analytic) + 1e-3)))
        what = fmt::format(
            "along a direction of '{}' the tape says {:.6g}, finite differences {:.6g}; check the backward "
            "functions on its way, and that no value leaves the tape in between",
            weight.name, analytic, numeric);
    }
    if (what.empty() && !any && !once.empty())
      note("gradient", "no weight changes any row's score: is the whole model frozen, or not used?");
    else
      add("gradient", what.empty(), what);

    backward(upstream);
    what.clear();
    auto first = once.begin();
    for (auto& weight : weights()) {
      auto const& before = *first++;
      if (!weight.trainable || !weight.gradient.filled || !what.empty()) continue;
      auto const twice = weight.gradient.value.to_host();
      for (std::size_t i = 0; i < twice.size() && what.empty(); ++i)
        if (!is_near(twice[i], 2 * before[i], 1e-9))
          what = fmt::format(
              "the gradient of '{}' was {:.6g}, and {:.6g} after a second pass; gradients must be added to "
              "what is there (gradient_view::accumulate)",
              weight.name, before[i], twice[i]);
    }
    add("accumulation", what.empty(), what);
    weights().clear_gradients();
  }

  /// Whether there is a value for each request: else nothing more can be said of samples.
  bool samples_are_keyed() {
    auto const draw = [&](std::vector<request> const& requests) {
      return policy::sample(model_of(policy_), settings_, std::span<request const>(requests));
    };
    auto const first = draw(requests_);
    auto const second = draw(requests_);
    std::string what;
    for (auto const* drawn : {&first, &second})
      if (drawn->values.size() != requests_.size() || drawn->valid.size() != requests_.size())
        what = fmt::format("{} requests gave {} values; return one value a request", requests_.size(),
                           drawn->values.size());
    auto const is_complete = what.empty();
    if constexpr (std::equality_comparable<typename value::type>) {
      for (std::size_t i = 0; i < requests_.size() && what.empty(); ++i) {
        if (!(first.values[i] == second.values[i]))
          what = fmt::format(
              "request {} drew another value the second time; take random numbers from the request's key", i);
        else if (auto const alone = draw({requests_[i]}).values;
                 alone.size() != 1 || !(alone.front() == first.values[i]))
          what = fmt::format(
              "request {} draws another value alone than in a batch of {}; random numbers come from the "
              "request's key, not from its place",
              i, requests_.size());
      }
    }
    add("sampling", what.empty(), what);
    return is_complete;
  }

  /// E[∇ log p(v)] = 0 over v ~ p, along random directions; judged at five standard errors.
  void is_normalised() {
    std::string what;
    std::vector<request> requests;
    for (std::size_t i = 0; i < requests_.size() && i < 4; ++i)
      for (int k = 0; k < options_.samples; ++k)
        requests.push_back({.parents = requests_[i].parents,
                            .key = key(i, generation_draws, static_cast<std::uint32_t>(k) + 1)});
    auto const drawn = policy::sample(model_of(policy_), settings_, std::span<request const>(requests));
    std::vector<row> rows;
    for (std::size_t i = 0; i < requests.size(); ++i)
      if (drawn.valid[i])
        rows.push_back(
            {.value = &drawn.values[i], .parents = requests[i].parents, .key = requests[i].key, .side = 0});
    if (rows.size() < requests.size() || drawn.retries > 0) {
      note("normalisation",
           fmt::format("left out: {} of {} samples were not valid and {} were drawn again, which bends the "
                       "distribution; give the sampler longer limits",
                       requests.size() - rows.size(), requests.size(), drawn.retries));
      return;
    }
    for (auto& weight : weights()) {
      if (!what.empty()) break;
      auto const u = direction(static_cast<std::size_t>(weight.value.size()));
      auto const slopes = difference(weight.value, u, [&] { return scores(rows); });
      double mean = 0, square = 0;
      auto const count = static_cast<double>(slopes.size());
      for (auto const x : slopes) {
        mean += x / count;
        square += x * x / count;
      }
      auto const error = std::sqrt(std::max(square - mean * mean, 0.0) / count);
      if (!(std::abs(mean) <= 5 * error + 1e-7))
        what = fmt::format(
            "over {} of the policy's own samples the mean of d log p along '{}' is {:.4g} +- {:.2g}, and "
            "must be "
            "0; either log_prob lacks a normaliser that depends on the weights, or sample draws from another "
            "distribution (temperature, top-k and the like count: audit without them)",
            rows.size(), weight.name, mean, error);
    }
    add("normalisation", what.empty(), what);
  }

  void adds_up_to_one() {
    std::vector<typename value::type> values;
    for (int category = 0; category < value::categories; ++category) values.push_back(category);
    std::string what;
    for (auto const& given : rows_) {
      std::vector<row> rows;
      for (auto const& v : values)
        rows.push_back({.value = &v, .parents = given.parents, .key = given.key, .side = 0});
      double sum = 0;
      for (auto const log_p : scores(rows)) sum += std::exp(log_p);
      if (!is_near(sum, 1, 1e-9) && what.empty())
        what = fmt::format("the probabilities of the {} categories add up to {:.9g}, and must to 1",
                           value::categories, sum);
    }
    add("probabilities", what.empty(), what);
  }

  models_type policy_;
  models_type reference_;
  options_of<policy> const& settings_;
  audit_options options_;
  audit_report* report_;
  generator random_;
  std::vector<row> rows_;
  std::vector<request> requests_;
};

}  // namespace detail

/// Audits every node of `models` on `pairs`; a handful is enough. A policy that throws is reported, not
/// passed on.
template <class System, class Backend>
[[nodiscard]] audit_report audit(models<System, Backend, precision<double>> const& models,
                                 policy_options<System> const& policies,
                                 std::vector<preference<System>> const& pairs,
                                 audit_options const& options = {}) {
  if (pairs.empty()) fail({"audit", "pairs", "there are none", "Give a few preference pairs"});
  audit_report report;
  for_each_node<System>([&](auto tag) {
    using node = typename decltype(tag)::node;
    try {
      detail::node_audit<System, Backend, node>(models, policies, pairs, options, report).run();
    } catch (std::exception const& problem) {
      report.findings.push_back({std::string(name_of<typename node::name>()), "running", false,
                                 fmt::format("it threw: {}", problem.what())});
    }
  });
  return report;
}

}  // namespace sysdpo
