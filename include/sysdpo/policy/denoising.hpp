// A diffusion model's node: the value is an image drawn for a caption. It has no likelihood; its log-ratio is
// the bound's,
//   r = T · (ℓ_ref − ℓ),   ℓ = ω(t) · reduce (ε − ε̂(z_t, t, caption))²,   t uniform, ε normal (method, §4)
// averaged over K draws of (t, ε). Policy and reference see the same draws; so do, by default, the two sides
// of a pair. The difference is formed element by element, (ε̂ − ε̂_ref)(2ε − ε̂ − ε̂_ref), never as a difference
// of two sums.
//
// Asks of the model: `encode(tape, packed_tokens) → [tokens, D]`, `predict(tape, z_t, t, condition, captions)
// → [R, H, W, C]`, and `prediction` in `options` says whether that is ε or v. Captions are token sequences
// `begin, caption, end`.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "sysdpo/op/add_noise.hpp"
#include "sysdpo/op/denoising_loss.hpp"
#include "sysdpo/op/scale.hpp"
#include "sysdpo/op/segment_sum.hpp"
#include "sysdpo/policy/concept.hpp"
#include "sysdpo/policy/diffusion_sampling.hpp"
#include "sysdpo/policy/noise_schedule.hpp"

namespace sysdpo {

/// How a diffusion model is scored and drawn from.
struct denoising_options {
  noise_schedule_options schedule{};
  prediction_kind prediction = prediction_kind::epsilon;
  loss_weight weight = loss_weight::constant;  ///< ω(t)
  reduction reduce = reduction::mean;          ///< over an image's elements
  int draws = 1;                               ///< K
  double steps_factor = 0;                     ///< T in the bound; 0 takes the schedule's number of steps
  int first_step = 1;                          ///< t is uniform in [first_step, last_step]
  int last_step = 0;                           ///< 0 is T
  bool share_draws = true;                     ///< chosen and rejected see the same (t, ε)
  diffusion_sampling sampling{};
  std::int32_t begin = 0;  ///< tokens around a caption
  std::int32_t end = 2;
};

/// Whether the options are those under which the poster's theorem bounds the loss: every timestep, the ELBO's
/// weight, the sum over elements, T itself. Runs report it.
[[nodiscard]] inline bool is_theorem(denoising_options const& options) {
  return options.weight == loss_weight::elbo && options.reduce == reduction::sum && options.first_step == 1 &&
         (options.last_step == 0 || options.last_step == options.schedule.steps) &&
         (options.steps_factor == 0 || options.steps_factor == options.schedule.steps);
}

/// Scores and draws images with a diffusion model.
template <class Model, class Value>
struct denoising {
  using value = Value;
  using model = Model;
  using options = denoising_options;
  static constexpr loss_kind loss_is = loss_kind::surrogate;
  static constexpr auto kind = "denoising";

  /// One text, the caption.
  template <class... Parents>
  static constexpr bool accepts =
      (sizeof...(Parents) == 1 && (std::same_as<typename Parents::type, std::vector<std::int32_t>> && ...));

  /// Rows × draws, noised: what policy and reference both look at.
  template <class Backend, class T>
  struct noised_rows {
    tensor<Backend, T> noisy;             ///< z_t [N, H, W, C], N = rows · K, a row's draws side by side
    tensor<Backend, T> target;            ///< ε, or v under v-prediction
    tensor<Backend, std::int32_t> steps;  ///< t [N]
    tensor<Backend, widened<T>> weights;  ///< T·ω(t)/K, times ᾱ_t under v-prediction [N]
    packed_tokens<Backend> captions;      ///< N sequences
    std::vector<index_t> draws_per_row;   ///< K for each row
  };

  /// What a reference says of rows: the rows as it saw them, and its prediction.
  template <class Backend, class T>
  struct record {
    noised_rows<Backend, T> rows;
    tensor<Backend, T> prediction;  ///< the reference's
  };

  /// The reference's predictions for `rows`. \throws error on options out of range or a missing image.
  template <class... Parents>
  static auto reference(auto& model, options const& settings,
                        std::span<scored_row<Value, Parents...> const> rows) {
    using instance = std::remove_cvref_t<decltype(model)>;
    using backend_type = typename instance::backend_type;
    using T = typename instance::T;
    record<backend_type, T> made{noise<backend_type, T>(settings, rows), {}};
    tape<backend_type, T> scratch(recording::off);
    made.prediction = predict(scratch, model, made.rows).value();
    return made;
  }

  /// T · (ℓ_ref − ℓ) averaged over the draws, [rows].
  template <class Backend, class T, class... Parents>
  static variable<Backend, widened<T>> log_ratio(tape<Backend, T>& tape, auto& model,
                                                 record<Backend, T> const& reference, options const& settings,
                                                 std::span<scored_row<Value, Parents...> const>) {
    auto const prediction = predict(tape, model, reference.rows);
    auto const ratios = denoising_log_ratio(tape, prediction, reference.prediction, reference.rows.target,
                                            reference.rows.weights, settings.reduce);
    return segment_sum(tape, ratios, pack_lengths<Backend>(reference.rows.draws_per_row));
  }

  /// −T·ω(t)·reduce(error)² averaged over the draws, [rows]: of policy and reference, the log-ratio's two
  /// halves.
  template <class Backend, class T, class... Parents>
  static variable<Backend, widened<T>> score(tape<Backend, T>& tape, auto& model, options const& settings,
                                             std::span<scored_row<Value, Parents...> const> rows) {
    auto const noisy = noise<Backend, T>(settings, rows);
    auto const losses =
        denoising_loss(tape, predict(tape, model, noisy), noisy.target, noisy.weights, settings.reduce);
    return scale(tape, segment_sum(tape, losses, pack_lengths<Backend>(noisy.draws_per_row)), -1.0);
  }

  /// Everything but how images are drawn.
  static std::string settings(options const& o) {
    std::string text = "schedule " + std::to_string(static_cast<int>(o.schedule.kind));
    for (auto const& [name, value] : std::initializer_list<std::pair<char const*, double>>{
             {"steps", o.schedule.steps},
             {"beta_start", o.schedule.beta_start},
             {"beta_end", o.schedule.beta_end},
             {"cosine_offset", o.schedule.cosine_offset},
             {"largest_beta", o.schedule.largest_beta},
             {"prediction", static_cast<double>(o.prediction)},
             {"weight", static_cast<double>(o.weight)},
             {"reduce", static_cast<double>(o.reduce)},
             {"draws", o.draws},
             {"steps_factor", o.steps_factor},
             {"first_step", o.first_step},
             {"last_step", o.last_step},
             {"share_draws", o.share_draws ? 1.0 : 0.0},
             {"begin", o.begin},
             {"end", o.end}}) {
      std::array<char, 32> digits{};
      std::snprintf(digits.data(), digits.size(), " %.17g", value);
      text += std::string(", ") + name + digits.data();
    }
    return text;
  }

  /// ω(t)·reduce(error)² averaged over the draws, [rows]: the loss that trains a painter from scratch,
  /// without the factor T.
  template <class Backend, class T, class... Parents>
  static variable<Backend, widened<T>> loss(tape<Backend, T>& tape, auto& model, options settings,
                                            std::span<scored_row<Value, Parents...> const> rows) {
    settings.steps_factor = 1;
    auto const noisy = noise<Backend, T>(settings, rows);
    auto const losses =
        denoising_loss(tape, predict(tape, model, noisy), noisy.target, noisy.weights, settings.reduce);
    return segment_sum(tape, losses, pack_lengths<Backend>(noisy.draws_per_row));
  }

  /// Draws an image for each request, some at a time. With guidance other than 1 the caption-free prediction
  /// is made in the same batch.
  template <class... Parents>
  static drawn<Value> sample(auto& model, options const& settings,
                             std::span<drawn_request<Parents...> const> requests) {
    using Backend = typename std::remove_cvref_t<decltype(model)>::backend_type;
    noise_schedule const schedule(settings.schedule);
    static_cast<void>(sampling_steps(schedule, settings.sampling));  // checks the options
    auto const most = static_cast<std::size_t>(settings.sampling.images_at_a_time > 0
                                                   ? settings.sampling.images_at_a_time
                                                   : images_a_thread * concurrency<Backend>());
    drawn<Value> result;
    for (auto rest = requests; !rest.empty(); rest = rest.subspan(std::min(most, rest.size())))
      draw(model, settings, schedule, rest.first(std::min(most, rest.size())), result);
    result.valid.assign(requests.size(), true);
    return result;
  }

 private:
  static constexpr index_t elements = static_cast<index_t>(Value::size);

  static constexpr shape image_shape{Value::height, Value::width, Value::channels};

  /// As many as keep a thread's activations in its cache and its products long enough.
  static constexpr int images_a_thread = 8;

  /// Appends an image for each of `requests`, all drawn at once.
  template <class... Parents>
  static void draw(auto& model, options const& settings, noise_schedule const& schedule,
                   std::span<drawn_request<Parents...> const> requests, drawn<Value>& result) {
    using instance = std::remove_cvref_t<decltype(model)>;
    using Backend = typename instance::backend_type;
    using T = typename instance::T;
    std::vector<std::vector<std::int32_t>> captions;
    std::vector<draw_key> keys;
    for (auto const& request : requests) {
      captions.push_back(caption_of(settings, *std::get<0>(request.parents)));
      keys.push_back(request.key);
    }
    if (settings.sampling.is_guided()) captions.resize(2 * requests.size(), {settings.begin, settings.end});
    auto const packed = pack_tokens<Backend>(captions);
    tape<Backend, T> scratch(recording::off);
    auto const condition = model.encode(scratch, packed);
    auto const predict = [&](tensor<Backend, T> const& z, tensor<Backend, std::int32_t> const& steps) {
      return model.predict(scratch, z, steps, condition, packed.sequences).value();
    };
    auto const host = sample_diffusion<Backend, T>(predict, schedule, settings.prediction, settings.sampling,
                                                   image_shape, keys)
                          .to_host_widened();
    for (auto at = host.begin(); at != host.end(); at += elements)
      result.values.emplace_back(std::vector<float>(at, at + elements));
  }

  static std::vector<std::int32_t> caption_of(options const& settings,
                                              std::vector<std::int32_t> const& caption) {
    std::vector<std::int32_t> tokens{settings.begin};
    tokens.insert(tokens.end(), caption.begin(), caption.end());
    tokens.push_back(settings.end);
    return tokens;
  }

  template <class Backend, class T>
  static variable<Backend, T> predict(tape<Backend, T>& tape, auto& model,
                                      noised_rows<Backend, T> const& rows) {
    return model.predict(tape, rows.noisy, rows.steps, model.encode(tape, rows.captions),
                         rows.captions.sequences);
  }

  /// Every row's draws of (t, ε). The draw's t comes from word 0 of the stream with the top bit of `draw`
  /// set, ε from the stream itself.
  template <class Backend, class T, class Row>
  static noised_rows<Backend, T> noise(options const& settings, std::span<Row const> rows) {
    noise_schedule const schedule(settings.schedule);
    auto const last = settings.last_step == 0 ? schedule.steps() : settings.last_step;
    if (settings.draws < 1 || settings.first_step < 1 || last < settings.first_step ||
        last > schedule.steps())
      fail({"denoising node",
            "draws " + std::to_string(settings.draws) + ", steps " + std::to_string(settings.first_step) +
                " to " + std::to_string(last),
            "there must be at least one draw, and steps between 1 and " + std::to_string(schedule.steps()),
            "Correct the options"});
    if (!(settings.steps_factor >= 0) || !std::isfinite(settings.steps_factor))
      fail({"denoising node", "steps_factor = " + std::to_string(settings.steps_factor),
            "it must be a positive number, or 0 for the schedule's number of steps", "Correct the options"});
    auto const factor =
        settings.steps_factor == 0 ? static_cast<double>(schedule.steps()) : settings.steps_factor;
    auto const count = static_cast<index_t>(rows.size()) * settings.draws;
    shape const all_images{count, Value::height, Value::width, Value::channels};
    std::vector<T> images;
    images.reserve(static_cast<std::size_t>(count * elements));
    std::vector<draw_key> keys;
    std::vector<std::int32_t> steps;
    std::vector<widened<T>> signals, deviations, weights;
    std::vector<std::vector<std::int32_t>> captions;
    for (auto const& row : rows) {
      auto const pixels = row.value->values();
      if (static_cast<index_t>(pixels.size()) != elements)
        fail({"denoising node", "pair " + std::to_string(row.key.pair), "its image is missing",
              "Give every row an image"});
      for (int draw = 0; draw < settings.draws; ++draw) {
        auto key = row.key;
        key.draw += static_cast<std::uint32_t>(draw + (settings.share_draws ? 0 : row.side * settings.draws));
        keys.push_back(key);
        for (auto const pixel : pixels) images.push_back(static_cast<T>(pixel));
        key.draw |= 0x80000000U;
        auto const u = static_cast<double>(uniform_at(philox_stream(key), 0));
        auto const t =
            std::min(last, settings.first_step + static_cast<int>(u * (last - settings.first_step + 1)));
        steps.push_back(t);
        signals.push_back(static_cast<widened<T>>(schedule.signal(t)));
        deviations.push_back(static_cast<widened<T>>(schedule.deviation(t)));
        weights.push_back(
            static_cast<widened<T>>(factor / settings.draws * schedule.weight(settings.weight, t) *
                                    schedule.epsilon_error(settings.prediction, t)));
        captions.push_back(caption_of(settings, *std::get<0>(row.parents)));
      }
    }
    auto const per_row = [&](auto const& values) {
      return tensor<Backend, std::remove_cvref_t<decltype(values[0])>>::from_host({count}, values);
    };
    auto [noisy, target] = add_noise(
        tensor<Backend, T>::from_host(all_images, images), keys, per_row(signals), per_row(deviations),
        settings.prediction == prediction_kind::velocity ? denoising_target::velocity
                                                         : denoising_target::noise);
    return {.noisy = std::move(noisy),
            .target = std::move(target),
            .steps = per_row(steps),
            .weights = per_row(weights),
            .captions = pack_tokens<Backend>(captions),
            .draws_per_row = std::vector<index_t>(rows.size(), settings.draws)};
  }
};

}  // namespace sysdpo
