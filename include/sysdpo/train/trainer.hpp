// Aligns a system on preference pairs: shuffled batches, accumulation, clipping, AdamW with a rate for every
// model, validation, callbacks, checkpoints that resume bit-exactly.
//
// A step's batch and noise follow from (seed, step) alone, so that a resumed training sees what the
// uninterrupted one would have. A loss or gradient that is no finite number ends the training with an error
// that names step and node, before the weights are changed. A checkpoint is written only once the step after
// it has found its weights sound, so that the last one always is.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "sysdpo/loss/metrics.hpp"
#include "sysdpo/loss/preference.hpp"
#include "sysdpo/optim/adamw.hpp"
#include "sysdpo/optim/schedule.hpp"
#include "sysdpo/train/callbacks.hpp"
#include "sysdpo/train/checkpoint.hpp"
#include "sysdpo/train/fingerprint.hpp"
#include "sysdpo/train/step_runner.hpp"

namespace sysdpo {

/// One number for every model of a system, by description: `rates.at<unet<painter_weights>>() = 5e-5`. Nodes
/// that share a model share the number.
template <class System, class Number = double>
struct model_numbers {
  std::array<Number, System::model_count> values{};

  /// `start` for every model.
  [[nodiscard]] static constexpr model_numbers all(Number start) {
    model_numbers made;
    made.values.fill(start);
    return made;
  }
  /// The number of a model.
  template <class Model>
  [[nodiscard]] constexpr Number& at() {
    return values[System::models::template index_of<Model>];
  }
};

/// The settings of a training.
template <class System, preference_link Link = logistic>
struct trainer_options {
  preference_options<System, Link> loss{};
  index_t steps = 1000;
  index_t pairs_per_batch = 16;  ///< scored at once
  index_t batches_per_step = 1;  ///< gradient accumulation
  model_numbers<System> rates = model_numbers<System>::all(1e-4);
  learning_rate_schedule schedule{};
  adamw_options optimizer{};
  model_numbers<System> moving_averages{};  ///< decay of each model's average weights; 0 keeps none
  /// Models of which a step keeps only what enters their blocks, and runs these twice: less memory, the same
  /// bits. Models without blocks pass it over; one that was told so itself needs no flag.
  model_numbers<System, bool> checkpoint_activations{};
  /// On a backend that can (backend/recorded_step.hpp): a step that does the work of the one before, on other
  /// data, is a replay of that one's launches. For small models and texts of one length: elsewhere launches
  /// take no time, or no two steps are alike. The memory of a step stays taken between steps, and no other
  /// thread may use the device while one is recorded.
  bool record_steps = false;
  double max_gradient_norm = 1;  ///< of each model's gradient by itself; 0 does not clip
  index_t validate_every = 0;    ///< steps; 0 never
  index_t draw_noise_every = 0;  ///< steps; costs one more scoring of a batch; 0 never
  std::uint64_t seed = 0;        ///< of the order of pairs
  /// Epochs after which a pair meets the same noise again; 0 draws fresh noise for ever. What a cache of the
  /// reference's scores keeps (loss.cached) is a bound.
  std::uint32_t noise_visits = 0;
  std::filesystem::path checkpoints{};  ///< folder of checkpoints; empty keeps none
  index_t checkpoint_every = 100;       ///< steps
};

namespace detail {

/// Switches on what the flags say; switches nothing off.
template <class System, class Models>
void switch_on_checkpoints(Models& policy, model_numbers<System, bool> const& flags) {
  policy.for_each([&](auto index, auto& model) {
    if constexpr (checkpoints_activations<std::remove_cvref_t<decltype(model)>>)
      if (flags.values[index]) model.checkpoint_activations(true);
  });
}

}  // namespace detail

/// Aligns a policy with a reference on pairs.
template <class System, class Backend, class Precision = precision<float>, preference_link Link = logistic>
class trainer {
 public:
  using models_type = models<System, Backend, Precision>;
  using loss_type = preference_loss<System, Backend, Precision, Link>;
  using options_type = trainer_options<System, Link>;
  /// Says more of a step that found no memory, `refused`, on `batch`.
  using memory_explanation = std::function<error_parts(trainer const&, error_parts refused,
                                                       std::vector<preference<System>> const& batch)>;

  /// Everything given by reference must outlive the trainer; `pairs` and `validation` are only read.
  /// \throws error on options out of range, ids used twice, non-finite or missing values in the data (naming
  /// the pair), or chosen and rejected with different sources.
  trainer(models_type& policy, models_type& reference, policy_options<System> const& policies,
          std::span<preference<System> const> pairs, options_type const& options,
          std::span<preference<System> const> validation = {})
      : policy_(&policy),
        pairs_(pairs),
        validation_(validation),
        options_(options),
        runner_(options.record_steps) {
    check_options();
    check_pairs(pairs);
    check_pairs(validation);
    detail::switch_on_checkpoints(policy, options.checkpoint_activations);
    for (std::uint64_t index = 0; index < System::model_count; ++index)
      optimizers_.emplace_back(options.optimizer, index);
    policy.for_each([&](auto index, auto& model) {
      if (auto const decay = options.moving_averages.values[index]; decay > 0)
        averages_[index].emplace(model.parameters(), decay);
    });
    if (!options.checkpoints.empty()) {
      lock_.emplace(options.checkpoints);
      fingerprint_ = fingerprint(reference, policies);
      if (auto const found =
              load_checkpoint(options.checkpoints, policy, std::span(optimizers_), averages_, fingerprint_)) {
        step_ = saved_step_ = found->step;
        callback_states_ = found->callbacks;
        is_resumed_ = true;
      }
    }
    loss_.emplace(policy, reference, policies, options.loss);  // looks at the weights: after they are loaded
  }

  /// Pairs that nobody keeps: they must outlive the trainer.
  trainer(models_type&, models_type&, policy_options<System> const&, std::vector<preference<System>>&&,
          options_type const&, std::span<preference<System> const> = {}) = delete;

  /// Trains until `steps` or until a callback ends it, then saves. Returns the steps done in all. Callbacks
  /// of a resumed training take up their states first. \throws error if they are not those that the
  /// checkpoint has states of.
  index_t run(std::span<callback* const> listeners = {}) {
    bool go_on = restore(listeners);
    while (go_on && step_ < options_.steps) {
      auto metrics = take_step();
      auto const validated =
          options_.validate_every > 0 && !validation_.empty() && step_ % options_.validate_every == 0;
      if (validated)
        for (auto const& [name, value] : validate()) metrics["eval/" + name] = value;
      training_event const event{
          .step = step_, .steps = options_.steps, .validated = validated, .metrics = metrics};
      for (callback* listener : listeners) go_on = listener->on_step(event) && go_on;
      callback_states_ = states_of(listeners);
    }
    save_at_end();
    return step_;
  }
  /// The same with a list: `run({&progress, &metrics})`.
  index_t run(std::initializer_list<callback*> listeners) {
    return run(std::span(listeners.begin(), listeners.size()));
  }

  /// One optimiser step. Returns its metrics; the learning rate is among them, and every `draw_noise_every`
  /// steps the draw noise (loss/metrics.hpp), from the step's first batch scored once more before the update.
  /// \throws memory_error, if there is not enough, that tells what would help.
  metric_map take_step() {
    try {
      return try_step();
    } catch (memory_error const& refused) {
      throw memory_error(explained(refused.parts()));
    }
  }

  /// Mean metrics over the validation pairs, each at its first visit: the same noise every time.
  [[nodiscard]] metric_map validate() {
    metric_map metrics;
    std::vector<pair_visit<System>> batch;
    for (std::size_t begin = 0; begin < validation_.size(); begin += batch.size()) {
      batch.clear();
      for (auto i = begin;
           i < validation_.size() && batch.size() < static_cast<std::size_t>(options_.pairs_per_batch); ++i)
        batch.push_back({&validation_[i], 0});
      auto const share = static_cast<double>(batch.size()) / static_cast<double>(validation_.size());
      for (auto const& [name, value] : metrics_of<System>(score(batch), options_.loss))
        metrics[name] += share * value;
    }
    return metrics;
  }

  /// Steps done, those before a resumption included.
  [[nodiscard]] index_t step() const { return step_; }
  /// How many of this trainer's steps were replays (trainer_options::record_steps).
  [[nodiscard]] index_t replayed_steps() const { return runner_.replayed(); }

  /// Puts the moving averages into the policy, for the models that have one. For when training is over: going
  /// on would start from the averages.
  void use_averages() {
    policy_->for_each([&](auto index, auto& model) {
      if (averages_[index]) averages_[index]->copy_to(model.parameters());
    });
  }

  [[nodiscard]] models_type const& policy() const { return *policy_; }
  [[nodiscard]] options_type const& options() const { return options_; }
  [[nodiscard]] policy_options<System> const& policies() const { return loss_->policies(); }

  /// Has `explanation` say more where a step finds no memory (train/out_of_memory.hpp).
  void explain_memory(memory_explanation explanation) { explanation_ = std::move(explanation); }

 private:
  /// What a step computes before the host looks at any of it.
  struct step_results {
    std::vector<typename loss_type::result_type> losses;  // of each batch
    std::optional<typename loss_type::result_type> redrawn;
    tensor<Backend, double> squared_norms;  // [models], of their gradients
    tensor<Backend, double> scales;         // [models], for their gradients: NaN if anything is unsound
  };

  /// Issues the work up to there: the gradients of the next step's pairs.
  [[nodiscard]] step_results issue_gradients() {
    step_results results;
    policy_->for_each([](auto, auto& model) { model.parameters().clear_gradients(); });
    auto const pairs_per_step = options_.pairs_per_batch * options_.batches_per_step;
    tensor<Backend, double> losses({pairs_per_step});
    for (index_t i = 0; i < options_.batches_per_step; ++i) {
      auto const begin = i * options_.pairs_per_batch;
      auto const batch = batch_at(step_ * pairs_per_step + begin);
      auto const& result =
          results.losses.emplace_back(loss_->accumulate(batch, static_cast<double>(pairs_per_step)));
      Backend::copy(losses.data() + begin, result.losses.data(), result.losses.bytes());
      if (i == 0 && options_.draw_noise_every > 0 && (step_ + 1) % options_.draw_noise_every == 0)
        results.redrawn = loss_->score(revisited(batch));
    }
    // One at least, so that a loss can be unsound where no model learns.
    results.squared_norms =
        tensor<Backend, double>::zeros({std::max<index_t>(static_cast<index_t>(System::model_count), 1)});
    policy_->for_each([&](auto index, auto& model) {
      sum_squared_gradients(model.parameters(), {results.squared_norms.data() + index, {1}});
    });
    results.scales = gradient_scales(results.squared_norms, losses, options_.max_gradient_norm);
    return results;
  }

  /// Issues what remains: the weights' next values, or nothing new where anything is unsound.
  void issue_update(step_results const& results) {
    recount_steps();  // a step that was unsound, or only walked through, is none
    policy_->for_each([&](auto index, auto& model) { optimizers_[index].prepare(model.parameters()); });
    policy_->for_each([&](auto index, auto& model) {
      optimizers_[index].step(model.parameters(), options_.rates.values[index] * rate_factor(),
                              array_view<double const>{results.scales.data() + index, {1}});
    });
  }

  /// The optimisers have done the steps that are behind this one.
  void recount_steps() {
    for (auto& optimizer : optimizers_) optimizer.recount(step_);
  }

  /// A batch between steps. What a recording of steps holds is memory for it too.
  [[nodiscard]] typename loss_type::result_type score(std::vector<pair_visit<System>> const& batch) {
    try {
      return loss_->score(batch);
    } catch (memory_error const&) {
      if (!runner_.forget()) throw;
    }
    return loss_->score(batch);
  }

  metric_map try_step() {
    step_results results;
    auto const is_unsound = [&] { return std::isnan(results.scales.to_host()[0]); };  // waits
    bool const saves =
        step_ != saved_step_ && step_ % options_.checkpoint_every == 0 && !options_.checkpoints.empty();
    runner_.run([&] {
      results = {};  // its memory is what the step takes next
      results = issue_gradients();
      if (!saves) issue_update(results);
    });
    if (saves) {
      if (is_unsound()) stop_unsound(results);
      save();  // weights that a step has examined
      issue_update(results);
    }
    auto const factor = rate_factor();
    bool unsound = false;
    try {
      unsound = is_unsound();
    } catch (error const&) {
      // Something that a kernel reported, of this step or of work before it. The update is issued all the
      // same.
      settle(is_unsound());
      throw;
    }
    settle(unsound);
    if (unsound) stop_unsound(results);
    auto metrics = metrics_of_step(results);
    metrics["learning_rate_factor"] = factor;
    return metrics;
  }

  /// Goes on from an update, unless the step was unsound: then it has done nothing.
  void settle(bool unsound) {
    if (unsound) return;
    policy_->for_each([&](auto index, auto& model) {
      if (averages_[index]) averages_[index]->update(model.parameters());
    });
    ++step_;
  }

  /// Reads what a step has found.
  [[nodiscard]] metric_map metrics_of_step(step_results const& results) const {
    metric_map metrics;
    for (auto const& result : results.losses)
      for (auto const& [name, value] : metrics_of<System>(result, options_.loss))
        metrics[name] += value / static_cast<double>(options_.batches_per_step);
    if (results.redrawn)
      metrics.merge(draw_noise_of<System>(results.losses.front(), *results.redrawn, options_.loss));
    auto const squared_norms = results.squared_norms.to_host();
    policy_->for_each([&](auto index, auto&) {
      auto const name = std::string(model_name<typename decltype(index)::model>());
      metrics["model/" + name + "/gradient_norm"] = std::sqrt(squared_norms[index]);
    });
    return metrics;
  }

  /// Of the step under way.
  [[nodiscard]] double rate_factor() const { return options_.schedule.factor(step_, options_.steps); }

  /// What was refused, with step and remedies, or what an explanation makes of it.
  [[nodiscard]] error_parts explained(error_parts refused) {
    refused.place += fmt::format("{}step {}", refused.place.empty() ? "" : ", ", step_ + 1);
    refused.remedy = "Use smaller batches, in more batches_per_step";
    if (!options_.loss.two_pass) refused.remedy += ", loss.two_pass with rows_per_piece";
    std::as_const(*policy_).for_each([&](auto index, auto const& model) {
      if constexpr (checkpoints_activations<std::remove_cvref_t<decltype(model)>>)
        if (!model.checkpoint_activations())
          refused.remedy +=
              fmt::format(", checkpoint_activations of '{}'", model_name<typename decltype(index)::model>());
    });
    if (options_.loss.cached == nullptr) refused.remedy += ", a cache of the reference's scores";
    if (!explanation_) {
      refused.remedy += "; explain_out_of_memory(trainer) has this message say what each would save";
      return refused;
    }
    std::vector<preference<System>> batch;
    for (auto const& [pair, visit] : batch_at(step_ * options_.pairs_per_batch * options_.batches_per_step))
      batch.push_back(*pair);
    try {
      return explanation_(*this, refused, batch);
    } catch (std::exception const&) {
      return refused;  // what went wrong with the explanation is of less interest
    }
  }

  void check_options() const {
    auto const check = [](bool good, char const* name, double value, char const* remedy) {
      if (!good)
        fail({"trainer", fmt::format("{} = {}", name, value), "the value lies outside its range", remedy});
    };
    check(options_.steps >= 0, "steps", static_cast<double>(options_.steps), "Give a number of steps");
    check(options_.pairs_per_batch > 0, "pairs_per_batch", static_cast<double>(options_.pairs_per_batch),
          "Give at least 1");
    check(options_.batches_per_step > 0, "batches_per_step", static_cast<double>(options_.batches_per_step),
          "Give at least 1");
    check(options_.max_gradient_norm >= 0, "max_gradient_norm", options_.max_gradient_norm,
          "0 does not clip");
    check(options_.draw_noise_every >= 0, "draw_noise_every", static_cast<double>(options_.draw_noise_every),
          "0 never looks at it");
    if (auto const* const cached = options_.loss.cached; cached != nullptr && !pairs_.empty()) {
      auto const pairs = options_.steps * options_.batches_per_step * options_.pairs_per_batch;
      auto const epochs = (pairs + std::ssize(pairs_) - 1) / std::ssize(pairs_);
      check(options_.noise_visits > 0 ? options_.noise_visits <= cached->visits()
                                      : epochs <= static_cast<index_t>(cached->visits()),
            "noise_visits", options_.noise_visits,
            "Come back to the noise of the visits whose reference scores are kept, or keep more of them");
      check(options_.draw_noise_every == 0, "draw_noise_every",
            static_cast<double>(options_.draw_noise_every),
            "It needs noise whose reference scores are not kept: train without the cache to see it");
    }
    check(options_.checkpoint_every > 0, "checkpoint_every", static_cast<double>(options_.checkpoint_every),
          "Leave `checkpoints` empty to keep none");
    check(options_.validate_every >= 0, "validate_every", static_cast<double>(options_.validate_every),
          "0 never validates");
    check(options_.schedule.warmup_steps >= 0, "warmup_steps",
          static_cast<double>(options_.schedule.warmup_steps), "0 starts at the full rate");
    check(options_.schedule.final_factor >= 0 && options_.schedule.final_factor <= 1, "final_factor",
          options_.schedule.final_factor, "Give a share of the rate, in [0, 1]");
    for (auto const decay : options_.moving_averages.values)
      check(decay >= 0 && decay < 1, "decay", decay, "0 keeps no average, 0.99 to 0.9999 are usual");
    for (auto const rate : options_.rates.values)
      check(rate >= 0 && std::isfinite(rate), "learning rate", rate,
            "Give rates that are finite and not negative");
    if (pairs_.empty()) fail({"trainer", "pairs", "there are none", "Give at least one preference pair"});
  }

  static void check_pairs(std::span<preference<System> const> pairs) {
    std::unordered_set<std::uint64_t> ids;
    for (auto const& pair : pairs) {
      auto const place = fmt::format("pair {}", pair.id);
      if (!ids.insert(pair.id).second)
        fail({"preference data", place, "the id is used twice",
              "Number the pairs: random draws are keyed by id"});
      if (!std::isfinite(pair.weight) || pair.weight < 0)
        fail({"preference data", place, fmt::format("its weight is {}", pair.weight),
              "Give weights that are finite and not negative"});
      check_assignment(pair.chosen, place + ", chosen");
      check_assignment(pair.rejected, place + ", rejected");
      for_each_source<System>([&](auto tag) {
        using name = typename decltype(tag)::source::name;
        if (!(get<name>(pair.chosen) == get<name>(pair.rejected)))
          fail({"preference data", place,
                fmt::format("chosen and rejected differ in the source '{}'", name_of<name>()),
                "Compare answers to one question"});
      });
    }
  }

  static void check_assignment(assignment<System> const& values, std::string const& place) {
    for_each_node<System>([&](auto tag) {
      using name = typename decltype(tag)::node::name;
      using policy = typename decltype(tag)::node::policy;
      auto const where = fmt::format("{}, node '{}'", place, name_of<name>());
      check_value(get<name>(values), where);
      if constexpr (!is_scored<policy> &&
                    requires { policy::follows(get<name>(values), parents_of<name>(values)); })
        if (!policy::follows(get<name>(values), parents_of<name>(values)))
          fail({"preference data", where, "the value is not what the tool returns for its parents",
                "Record values as the system produced them"});
    });
  }

  template <class Value>
  static void check_value(Value const& value, std::string const& where) {
    if constexpr (requires {
                    value.values();
                    value.empty();
                  }) {
      if (value.empty()) fail({"preference data", where, "the image is missing", "Give every node a value"});
      for (auto const x : value.values())
        if (!std::isfinite(x))
          fail({"preference data", where, "a pixel is no finite number", "Clean the data"});
    }
  }

  /// The pairs at [begin, begin + pairs_per_batch) of the endless sequence of shuffled epochs.
  std::vector<pair_visit<System>> batch_at(index_t begin) {
    std::vector<pair_visit<System>> batch;
    auto const size = static_cast<index_t>(pairs_.size());
    for (index_t i = begin; i < begin + options_.pairs_per_batch; ++i) {
      auto const epoch = i / size;
      if (order_.empty() || epoch != order_epoch_) {
        order_.resize(pairs_.size());
        for (std::size_t k = 0; k < order_.size(); ++k) order_[k] = k;
        generator(options_.seed, static_cast<std::uint64_t>(epoch)).shuffle(std::span(order_));
        order_epoch_ = epoch;
      }
      batch.push_back({&pairs_[order_[static_cast<std::size_t>(i % size)]], visit_of(epoch)});
    }
    return batch;
  }

  /// The batch under visits that no epoch reaches.
  static std::vector<pair_visit<System>> revisited(std::vector<pair_visit<System>> batch) {
    for (auto& [pair, visit] : batch) visit += std::uint32_t{1} << 31U;
    return batch;
  }

  /// The number of the noise that pairs meet in an epoch.
  [[nodiscard]] std::uint32_t visit_of(index_t epoch) const {
    auto const visit = static_cast<std::uint32_t>(epoch);
    return options_.noise_visits == 0 ? visit : visit % options_.noise_visits;
  }

  /// Where checkpoints are kept.
  void save() {
    recount_steps();
    save_checkpoint(options_.checkpoints, {.step = step_, .callbacks = callback_states_}, *policy_,
                    std::span<adamw<Backend, Precision> const>(optimizers_), averages_, fingerprint_);
    saved_step_ = step_;
  }

  /// The states of those callbacks that have one.
  static json states_of(std::span<callback* const> listeners) {
    json states = json::array();
    for (auto const* listener : listeners)
      if (auto state = listener->save_state(); !state.is_null()) states.push_back(std::move(state));
    return states;
  }

  /// Hands the states from the checkpoint to the callbacks, once. False if one of them had ended the
  /// training.
  bool restore(std::span<callback* const> listeners) {
    if (!std::exchange(is_resumed_, false)) return true;
    json_view const saved(callback_states_, "checkpoint", options_.checkpoints.string(), "/callbacks");
    auto const given = states_of(listeners).size();
    if (saved.size() != given)
      saved.fail(fmt::format("{} callbacks have saved their states, {} of those given have one", saved.size(),
                             given),
                 "Give the callbacks of the run that is resumed, in their order");
    std::size_t next = 0;
    for (callback* listener : listeners)
      if (!listener->save_state().is_null()) listener->load_state(saved.at(next++));
    return std::none_of(listeners.begin(), listeners.end(),
                        [](auto const* listener) { return listener->has_ended(); });
  }

  /// Saves the state after the last step, which no step has examined yet.
  void save_at_end() {
    if (options_.checkpoints.empty() || step_ == saved_step_) return;
    // The last step's pairs again: the next ones may ask for noise whose reference scores are not kept.
    auto const batch = batch_at((step_ - 1) * options_.pairs_per_batch * options_.batches_per_step);
    auto const result = score(batch);
    if (!std::isfinite(metrics_of<System>(result, options_.loss).at("loss")))
      stop_unsound(first_unsound_node<System>(result), "log-ratio");
    save();
  }

  /// Names what of a step is no finite number.
  [[noreturn]] void stop_unsound(step_results const& results) const {
    for (auto const& result : results.losses)
      if (auto const node = first_unsound_node<System>(result); !node.empty())
        stop_unsound(node, "log-ratio");
    auto const squared_norms = results.squared_norms.to_host();
    policy_->for_each([&](auto index, auto&) {
      if (!std::isfinite(squared_norms[index]))
        stop_unsound(std::string(model_name<typename decltype(index)::model>()), "gradient");
    });
    stop_unsound("loss", "value");
  }
  [[noreturn]] void stop_unsound(std::string const& where, char const* what) const {
    fail({"training", fmt::format("step {}, '{}'", step_ + 1, where),
          fmt::format("its {} is no finite number", what),
          options_.checkpoints.empty() ? "Lower the learning rate; weights are those of the step before"
                                       : "Lower the learning rate; the last checkpoint is intact"});
  }

  /// What must agree for a checkpoint to continue this training.
  [[nodiscard]] json fingerprint(models_type const& reference, policy_options<System> const& policies) const {
    auto const& loss = options_.loss;
    json print = {{"pairs", pairs_.size()},
                  {"pairs per batch", options_.pairs_per_batch},
                  {"batches per step", options_.batches_per_step},
                  {"order seed", options_.seed},
                  {"noise seed", loss.seed},
                  {"noise visits", options_.noise_visits},
                  {"beta", loss.beta},
                  {"link", {loss.link.value(-1, 1), loss.link.value(0.5, 1), loss.link.value(2, 1)}},
                  {"scales", loss.scales.values},
                  {"rejected gradient", loss.rejected_gradient.values},
                  {"rates", options_.rates.values},
                  {"moving averages", options_.moving_averages.values},
                  {"warm-up steps", options_.schedule.warmup_steps},
                  {"decay", static_cast<int>(options_.schedule.shape)},
                  {"optimizer",
                   {options_.optimizer.beta1, options_.optimizer.beta2, options_.optimizer.epsilon,
                    options_.optimizer.weight_decay}},
                  {"max gradient norm", options_.max_gradient_norm}};
    if (options_.schedule.shape != decay::constant) {
      print["steps"] = options_.steps;
      print["final factor"] = options_.schedule.final_factor;
    }
    policy_->for_each([&](auto index, auto const& model) {
      std::vector<std::string> frozen;
      for (auto const& weight : model.parameters())
        if (!weight.trainable) frozen.push_back(weight.name);
      print["frozen"][std::string(model_name<typename decltype(index)::model>())] = frozen;
    });
    for (auto const& [what, from] : fingerprint_of(reference, policies, pairs_)) print[what] = from;
    return print;
  }

  models_type* policy_;
  std::optional<loss_type> loss_;
  std::span<preference<System> const> pairs_;
  std::span<preference<System> const> validation_;
  options_type options_;
  step_runner<Backend> runner_;
  std::vector<adamw<Backend, Precision>> optimizers_;
  moving_averages<System, Backend, Precision> averages_{};
  std::optional<directory_lock> lock_;  // on the folder of checkpoints, as long as the trainer lives
  memory_explanation explanation_;
  json fingerprint_;
  json callback_states_ = json::array();
  bool is_resumed_ = false;  // and callbacks have not taken up their states
  index_t step_ = 0;
  index_t saved_step_ = 0;  // of the newest checkpoint; the start needs none
  std::vector<std::size_t> order_;
  index_t order_epoch_ = 0;
};

}  // namespace sysdpo
