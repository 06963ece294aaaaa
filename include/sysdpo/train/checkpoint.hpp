// Checkpoints of a training: everything that the next step depends on, in one folder a step.
//
//   <root>/step-00000100/   a saved system (train/system_folder.hpp), and
//     <model>/optimizer.safetensors   AdamW's moments and step count, the moving average if there is one
//     trainer.json                    the step, the states of callbacks, and the training's fingerprint
//
// A checkpoint is written as "step-….partial", flushed to the disk file by file, then renamed: a folder
// without that suffix is whole, whenever the process was killed. The newest is loaded; one more is kept
// behind it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sysdpo/optim/adamw.hpp"
#include "sysdpo/optim/moving_average.hpp"
#include "sysdpo/train/system_folder.hpp"

namespace sysdpo {

/// How many checkpoints a training keeps.
inline constexpr std::size_t checkpoints_kept = 2;

/// For each model of a system, the average of its weights, if one is kept.
template <class System, class Backend, class Precision>
using moving_averages = std::array<std::optional<moving_average<Backend, Precision>>, System::model_count>;

namespace detail {

/// The step of a complete checkpoint's folder name, or nothing.
inline std::optional<index_t> step_of(std::string_view name) {
  constexpr std::string_view prefix = "step-";
  if (!name.starts_with(prefix)) return std::nullopt;
  auto const* const begin = name.data() + prefix.size();
  auto const* const end = name.data() + name.size();
  index_t step = 0;
  auto const [stop, code] = std::from_chars(begin, end, step);
  return code == std::errc{} && stop == end ? std::optional(step) : std::nullopt;
}

/// The steps of the complete checkpoints in `root`, newest first.
inline std::vector<index_t> checkpoint_steps(std::filesystem::path const& root) {
  std::vector<index_t> steps;
  if (!std::filesystem::is_directory(root)) return steps;
  for (auto const& entry : std::filesystem::directory_iterator(root))
    if (auto const step = step_of(entry.path().filename().string())) steps.push_back(*step);
  std::sort(steps.begin(), steps.end(), std::greater{});
  return steps;
}

inline std::filesystem::path checkpoint_folder(std::filesystem::path const& root, index_t step) {
  return root / fmt::format("step-{:08}", step);
}

/// Removes what interrupted saves and removals left.
inline void remove_leftovers(std::filesystem::path const& root) {
  std::vector<std::filesystem::path> leftovers;
  for (auto const& entry : std::filesystem::directory_iterator(root)) {
    auto const name = entry.path().filename().string();
    if (name.starts_with("step-") && name.ends_with(".partial")) leftovers.push_back(entry.path());
  }
  for (auto const& path : leftovers) remove_folder(path);
}

/// Removes a checkpoint such that a kill in between leaves none that looks whole.
inline void remove_checkpoint(std::filesystem::path const& folder) {
  auto const dying = std::filesystem::path(folder.string() + ".partial");
  if (::rename(folder.c_str(), dying.c_str()) != 0) fail_file(folder, "remove");
  remove_folder(dying);
}

template <class Backend, class Precision>
void save_optimizer(std::filesystem::path const& file, adamw<Backend, Precision> const& optimizer,
                    std::optional<moving_average<Backend, Precision>> const& average,
                    parameter_set<Backend, Precision> const& weights) {
  staged_tensors staged;
  auto weight = weights.begin();
  for (auto const& [first, second] : optimizer.state()) {
    if (first) {
      staged.add("exp_avg." + weight->name, first);
      staged.add("exp_avg_sq." + weight->name, second);
    }
    ++weight;
  }
  if (average) {
    auto value = average->values().begin();
    for (auto const& averaged : weights) staged.add("average." + averaged.name, *value++);
  }
  write_safetensors(file, staged.views(), {{"steps", fmt::format("{}", optimizer.steps())}});
}

template <class Backend, class Precision>
void load_optimizer(std::filesystem::path const& path, adamw<Backend, Precision>& optimizer,
                    std::optional<moving_average<Backend, Precision>>& average,
                    parameter_set<Backend, Precision> const& weights) {
  using accumulate = typename Precision::accumulate;
  safetensors_file const file(path);
  auto const refuse = [&](std::string cause) {
    fail(
        {"optimizer state", path.string(), std::move(cause), "Remove this checkpoint to use the one before"});
  };
  index_t steps = 0;
  auto const found = file.metadata().find("steps");
  if (found == file.metadata().end()) refuse("the step count is missing");
  auto const* const end = found->second.data() + found->second.size();
  if (auto const [stop, code] = std::from_chars(found->second.data(), end, steps);
      code != std::errc{} || stop != end || steps < 0)
    refuse(fmt::format("'{}' is no step count", found->second));

  std::vector<typename adamw<Backend, Precision>::moments> state(weights.size());
  std::size_t used = 0;
  auto moments = state.begin();
  for (auto const& weight : weights) {
    auto const read = [&]<class T>(std::string const& name, tensor<Backend, T> const& to) {
      check_tensor(file.find(name), to.extents(), path);
      copy_tensor(file.find(name), to);
      ++used;
    };
    if (file.contains("exp_avg." + weight.name)) {
      *moments = {.first = tensor<Backend, accumulate>(weight.value.extents()),
                  .second = tensor<Backend, accumulate>(weight.value.extents())};
      read("exp_avg." + weight.name, moments->first);
      read("exp_avg_sq." + weight.name, moments->second);
    }
    if (average)
      read("average." + weight.name, average->values()[static_cast<std::size_t>(moments - state.begin())]);
    ++moments;
  }
  if (used != file.tensors().size()) refuse("it holds tensors of weights that the model does not have");
  optimizer.restore(steps, std::move(state));
}

/// Fails if `saved`, an object, differs from `current`, and says where.
template <std::same_as<json> Json>
void check_fingerprint(json_view const& saved, Json const& current) {
  auto const remedy =
      "Continue with the options and data of the run, or choose another folder of checkpoints";
  for (auto const& [key, value] : current.items())
    if (!same(saved.at(key).value(), value))
      saved.at(key).fail(fmt::format("the checkpoint belongs to a training with {} where this one has {}",
                                     saved.at(key).value().dump(), value.dump()),
                         remedy);
  for (auto const& [key, value] : saved.object().items())
    if (!current.contains(key)) saved.at(key).fail("this training has no such setting", remedy);
}

}  // namespace detail

/// Where a training stood.
struct training_position {
  index_t step = 0;
  json callbacks = json::array();  ///< their states (train/callbacks.hpp)
};

/// Saves the state at `position` below `root`, then removes checkpoints older than the last two.
/// `optimizers[i]` belongs to model i; `fingerprint` is an object of what a continuation must agree on.
/// \throws error if the disk is full or not writable; earlier checkpoints are then untouched.
template <class System, class Backend, class Precision>
void save_checkpoint(std::filesystem::path const& root, training_position const& position,
                     models<System, Backend, Precision> const& models,
                     std::span<adamw<Backend, Precision> const> optimizers,
                     moving_averages<System, Backend, Precision> const& averages, json const& fingerprint) {
  detail::create_folder(root);
  detail::remove_leftovers(root);
  auto const folder = detail::checkpoint_folder(root, position.step);
  auto const partial = std::filesystem::path(folder.string() + ".partial");
  try {
    detail::create_folder(partial);
    models.for_each([&](auto index, auto const& model) {
      auto const place = partial / model_name<typename decltype(index)::model>();
      detail::create_folder(place);
      detail::save_optimizer(place / "optimizer.safetensors", optimizers[index], averages[index],
                             model.parameters());
    });
    write_json(partial / "trainer.json",
               {{"step", position.step}, {"callbacks", position.callbacks}, {"fingerprint", fingerprint}});
    detail::write_system(partial, models, nullptr);
    detail::replace_folder(partial, folder);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove_all(partial, ignored);
    throw;
  }
  auto const steps = detail::checkpoint_steps(root);
  for (auto i = checkpoints_kept; i < steps.size(); ++i)
    detail::remove_checkpoint(detail::checkpoint_folder(root, steps[i]));
}

/// Loads the newest checkpoint below `root` and returns where it stands, or nothing where there is none.
/// \throws error if it belongs to a training with another fingerprint or is damaged; `models` then stay as
/// they were.
template <class System, class Backend, class Precision>
[[nodiscard]] std::optional<training_position> load_checkpoint(
    std::filesystem::path const& root, models<System, Backend, Precision>& models,
    std::span<adamw<Backend, Precision>> optimizers, moving_averages<System, Backend, Precision>& averages,
    json const& fingerprint) {
  auto const steps = detail::checkpoint_steps(root);
  if (steps.empty()) return std::nullopt;
  auto const folder = detail::checkpoint_folder(root, steps.front());
  json_file const document(folder / "trainer.json", "checkpoint");
  detail::check_fingerprint(document.root().at("fingerprint"), fingerprint);
  auto const step = document.root().at("step");
  if (step.template integer<index_t>(0) != steps.front())
    step.fail(fmt::format("it is not that of the folder, {}", steps.front()), "Remove this checkpoint");
  training_position position{.step = steps.front(), .callbacks = document.root().at("callbacks").value()};
  models.for_each([&](auto index, auto& model) {
    detail::load_optimizer(folder / model_name<typename decltype(index)::model>() / "optimizer.safetensors",
                           optimizers[index], averages[index], model.parameters());
  });
  load_system(folder, models);
  return position;
}

}  // namespace sysdpo
