// What a training tells, and who may listen: progress, metrics files, early stopping, keeping the best
// weights. A user's own listener overrides what it needs.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "sysdpo/io/jsonl.hpp"
#include "sysdpo/loss/metrics.hpp"
#include "sysdpo/train/progress.hpp"

namespace sysdpo {

/// The state after one optimiser step. `metrics` holds the step's own values and, after a validation,
/// "eval/…".
struct training_event {
  index_t step = 0;   ///< steps done, from 1
  index_t steps = 0;  ///< of the whole training
  bool validated = false;
  metric_map const& metrics;
};

/// Listens to a training.
class callback {
 public:
  callback() = default;
  callback(callback const&) = default;
  callback& operator=(callback const&) = default;
  virtual ~callback() = default;

  /// After every step. Return false to end the training here.
  virtual bool on_step(training_event const& event) = 0;

  /// What a resumed training must hand to `load_state`; null, the default, for nothing. Checkpoints keep the
  /// states of callbacks in the order in which `run` was given these.
  [[nodiscard]] virtual json save_state() const { return nullptr; }

  /// Goes on from a state of `save_state`; called before a resumed training's first step.
  virtual void load_state(json_view const&) {}

  /// Whether the state that was loaded is one in which the callback had ended the training: run again, it
  /// does no step more.
  [[nodiscard]] virtual bool has_ended() const { return false; }
};

/// Shows a progress bar with the loss and the accuracy.
class show_progress final : public callback {
 public:
  explicit show_progress(std::string title) : title_(std::move(title)) {}

  /// Moves the bar.
  bool on_step(training_event const& event) override {
    if (!bar_) bar_ = std::make_unique<progress>(title_, event.steps, event.step - 1);
    auto const find = [&](char const* name) {
      auto const found = event.metrics.find(name);
      return found == event.metrics.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
    };
    bar_->advance(event.step,
                  fmt::format("loss {:.4f} accuracy {:.2f}", find("loss"), find("rewards/accuracies")));
    return true;
  }

 private:
  std::string title_;
  std::unique_ptr<progress> bar_;
};

/// Appends each step's metrics as one JSON object a line: {"step": 1, "loss": …, …}.
class write_metrics final : public callback {
 public:
  /// Lines of steps after `resumed_step` are cut off first: give the trainer's `step()`, and a resumed run
  /// writes each step once.
  explicit write_metrics(std::filesystem::path const& file, index_t resumed_step = 0)
      : writer_(shortened(file, resumed_step)) {}

  /// Writes a line.
  bool on_step(training_event const& event) override {
    json line;
    line["step"] = event.step;
    for (auto const& [name, value] : event.metrics)
      line[name] = std::isfinite(value) ? json(value) : json(fmt::format("{}", value));
    writer_.write(line);
    return true;
  }

 private:
  static std::filesystem::path const& shortened(std::filesystem::path const& file, index_t last_step) {
    if (!std::filesystem::exists(file)) return file;
    jsonl_writer const cuts_a_torn_line_off(file);
    std::string kept;
    bool is_shorter = false;
    read_jsonl(file, "metrics file", [&](json_view const& line, std::size_t) {
      if (line.at("step").integer<index_t>() <= last_step)
        kept += line.value().dump() + "\n";
      else
        is_shorter = true;
    });
    if (is_shorter) write_file(file, kept);
    return file;
  }

  jsonl_writer writer_;
};

/// Whether lower or higher values of a metric are better.
enum class better { lower, higher };

namespace detail {

/// Tracks the best value of one metric.
class best_of {
 public:
  best_of(std::string metric, better direction)
      : metric_(std::move(metric)), sign_(direction == better::lower ? 1.0 : -1.0) {}

  /// True if the event holds the metric and beats every value so far by more than `margin`.
  bool improves(training_event const& event, double margin = 0) {
    auto const found = event.metrics.find(metric_);
    if (found == event.metrics.end())
      fail({"training callback", metric_, "the training reports no such metric",
            "Metrics are named as in loss/metrics.hpp, those of validation start with eval/"});
    if (!(sign_ * found->second < best_ - margin)) return false;
    best_ = sign_ * found->second;
    return true;
  }

  [[nodiscard]] json save_state() const {
    json state;
    state["metric"] = metric_;
    state["best"] = std::isfinite(best_) ? json(sign_ * best_) : json(nullptr);
    return state;
  }

  void load_state(json_view const& state) {
    if (auto const saved = state.at("metric").string(); saved != metric_)
      state.at("metric").fail(
          fmt::format("the callback saved here watched {}, this one watches {}", saved, metric_),
          "Give the callbacks of the run that is resumed, in their order");
    best_ = state.at("best").value().is_null() ? std::numeric_limits<double>::infinity()
                                               : sign_ * state.at("best").number();
  }

 private:
  std::string metric_;
  double sign_;
  double best_ = std::numeric_limits<double>::infinity();
};

}  // namespace detail

/// Ends the training after `patience` validations in a row without an improvement; a resumed one counts on.
class stop_early final : public callback {
 public:
  /// An improvement is one by more than `margin`.
  stop_early(int patience, std::string metric = "eval/loss", better direction = better::lower,
             double margin = 0)
      : best_(std::move(metric), direction), patience_(patience), margin_(margin) {}

  /// Counts validations without an improvement.
  bool on_step(training_event const& event) override {
    if (event.validated) waited_ = best_.improves(event, margin_) ? 0 : waited_ + 1;
    return !has_ended();
  }
  /// Whether its patience is at an end.
  [[nodiscard]] bool has_ended() const override { return waited_ >= patience_; }

  /// The best value and how long ago it was.
  [[nodiscard]] json save_state() const override {
    auto state = best_.save_state();
    state["waited"] = waited_;
    return state;
  }
  /// Counts on.
  void load_state(json_view const& state) override {
    best_.load_state(state);
    waited_ = state.at("waited").integer<int>(0);
  }

 private:
  detail::best_of best_;
  int patience_;
  double margin_;
  int waited_ = 0;
};

/// Calls `save` after every validation that beats the ones before, those before a resumption included.
class save_best final : public callback {
 public:
  /// `save` is called where the weights are those to keep.
  explicit save_best(std::function<void()> save, std::string metric = "eval/loss",
                     better direction = better::lower)
      : save_(std::move(save)), best_(std::move(metric), direction) {}

  /// Looks at validations.
  bool on_step(training_event const& event) override {
    if (event.validated && best_.improves(event)) save_();
    return true;
  }

  [[nodiscard]] json save_state() const override { return best_.save_state(); }
  void load_state(json_view const& state) override { best_.load_state(state); }

 private:
  std::function<void()> save_;
  detail::best_of best_;
};

}  // namespace sysdpo
