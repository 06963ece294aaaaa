// The cases of the comparison, as this library runs them. Each `run()` is one sample; what it needs was made
// before, by the constructor or, where a sample uses it up, by `prepare()`, which is not timed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "storybook.hpp"

namespace peer {

constexpr index_t pretraining_batch = 32, pairs_per_step = 16, images_drawn = 48;
constexpr index_t logit_rows = 2048, logit_vocabulary = 49152;

/// One step of pre-training the painter: noise, loss, gradients, clipping, AdamW, moving average.
class pretraining {
 public:
  pretraining() {
    for (std::uint64_t i = 0; i < 8 * pretraining_batch; ++i) {
      captions_.push_back(some_text(caption_length, i));
      images_.push_back(some_image(i));
    }
  }

  void run() {
    auto& model = models_.get<painter_model>();
    std::vector<sysdpo::scored_row<painter::value, sysdpo::text>> rows;
    for (index_t i = 0; i < pretraining_batch; ++i, ++next_) {
      auto const at = next_ % images_.size();
      rows.push_back({.value = &images_[at], .parents = {&captions_[at]}, .key = {.seed = 7, .pair = next_}});
    }
    model.parameters().clear_gradients();
    auto const losses =
        painter::loss(tape_, model, policies().get<painter>(), std::span(std::as_const(rows)));
    auto const count = losses.extents().size();
    std::vector<float> const share(static_cast<std::size_t>(count), 1 / static_cast<float>(count));
    tape_.backward(losses, sysdpo::tensor<cpu, float>::from_host(losses.extents(), share));
    auto const norm = std::sqrt(sysdpo::squared_gradient_norm(model.parameters()));
    optimizer_.step(model.parameters(), 1e-4, norm > 1 ? 1 / norm : 1);
    average_.update(model.parameters());
  }

 private:
  models models_ = make_models();
  sysdpo::adamw<cpu, precision> optimizer_{{.beta2 = 0.99, .weight_decay = 0.01}};
  sysdpo::moving_average<cpu, precision> average_{models_.get<painter_model>().parameters(), 0.99};
  tape tape_;
  std::vector<std::vector<std::int32_t>> captions_;
  std::vector<image> images_;
  std::uint64_t next_ = 0;
};

/// One step of SysDPO: both models of the policy learn, the painter's caption encoder is frozen.
class preference_step {
 public:
  preference_step() {
    for (std::uint64_t i = 0; i < 4 * pairs_per_step; ++i)
      pairs_.push_back({.id = i, .chosen = some_page(i, 0), .rejected = some_page(i, 1)});
    policy_.get<painter_model>().parameters().set_trainable(false, "text_encoder.");
    sysdpo::trainer_options<storybook> options{.steps = 1'000'000, .pairs_per_batch = pairs_per_step};
    options.loss.beta = 0.5;
    options.rates.at<author_model>() = 1e-4;
    options.rates.at<painter_model>() = 1e-4;
    options.optimizer = {.beta2 = 0.99};
    trainer_ = std::make_unique<sysdpo::trainer<storybook, cpu, precision>>(
        policy_, reference_, policies(), std::span<sysdpo::preference<storybook> const>(pairs_), options);
  }

  void run() { static_cast<void>(trainer_->take_step()); }

 private:
  models policy_ = make_models();
  models reference_ = policy_;
  std::vector<sysdpo::preference<storybook>> pairs_;
  std::unique_ptr<sysdpo::trainer<storybook, cpu, precision>> trainer_;
};

/// Images for captions, ten steps of DDIM.
class sampling {
 public:
  sampling() {
    for (std::uint64_t i = 0; i < images_drawn; ++i) captions_.push_back(some_text(caption_length, i));
    for (std::uint64_t i = 0; i < images_drawn; ++i)
      requests_.push_back({.parents = {&captions_[i]}, .key = {.seed = 9, .pair = i}});
  }

  void run() { static_cast<void>(draw()); }
  [[nodiscard]] sysdpo::drawn<painter::value> draw() {
    return painter::sample(models_.get<painter_model>(), policies().get<painter>(),
                           std::span(std::as_const(requests_)));
  }

  [[nodiscard]] models& weights() { return models_; }
  [[nodiscard]] std::vector<sysdpo::drawn_request<sysdpo::text>> const& requests() const { return requests_; }
  [[nodiscard]] std::vector<std::vector<std::int32_t>> const& captions() const { return captions_; }

 private:
  models models_ = make_models();
  std::vector<std::vector<std::int32_t>> captions_;
  std::vector<sysdpo::drawn_request<sysdpo::text>> requests_;
};

/// log p of a token a row from logits, and the gradient of the logits, which ends up in their memory.
class gathering {
 public:
  gathering() : targets_({logit_rows}) {
    for (index_t i = 0; i < logit_rows; ++i)
      targets_.data()[i] = static_cast<std::int32_t>(i * 7919 % logit_vocabulary);
    upstream_ = sysdpo::tensor<cpu, float>::from_host({logit_rows}, std::vector<float>(logit_rows, 1.0F));
  }

  void prepare() {
    gradient_.clear();
    logits_ = std::exchange(gradient_.value, {});
    if (!logits_) logits_ = sysdpo::tensor<cpu, float>({logit_rows, logit_vocabulary});
    for (index_t i = 0; i < logits_.size(); ++i)
      logits_.data()[i] = static_cast<float>(i * 2654435761 % 4093) / 400 - 5;
  }
  void run() {
    tape_.backward(sysdpo::log_softmax_gather(tape_, tape_.watch(std::move(logits_), gradient_), targets_,
                                              sysdpo::logits_memory::consume),
                   upstream_);
  }

 private:
  sysdpo::tensor<cpu, float> logits_;
  sysdpo::tensor<cpu, std::int32_t> targets_;
  sysdpo::tensor<cpu, float> upstream_;
  sysdpo::gradient_slot<cpu, float> gradient_;
  tape tape_;
};

/// One sample is `run()`, after `prepare()`.
struct timed_case {
  std::function<void()> prepare, run;
};

/// A case by its name, made ready. \throws error if there is none of that name.
inline timed_case make_case(std::string const& name) {
  auto const ready = [](auto made) -> timed_case {
    auto const prepare = [made] {
      if constexpr (requires { made->prepare(); }) made->prepare();
    };
    return {prepare, [made] { made->run(); }};
  };
  if (name == "pretrain") return ready(std::make_shared<pretraining>());
  if (name == "step") return ready(std::make_shared<preference_step>());
  if (name == "sampling") return ready(std::make_shared<sampling>());
  if (name == "log_softmax_gather") return ready(std::make_shared<gathering>());
  sysdpo::fail({"peer", name, "there is no case of that name",
                "Ask for pretrain, step, sampling or log_softmax_gather"});
}

}  // namespace peer
