// Two networks as one has them in LibTorch: nothing here knows of sysdpo.
#pragma once

#include <torch/torch.h>

/// Moves on a chart: stay, east, west, north, south.
inline constexpr int move_count = 5;
/// Moves in a route.
inline constexpr int route_length = 4;

/// A language model whose sentences are routes: a GRU that starts from the goal and writes move after move.
class navigator : public torch::nn::Module {
 public:
  struct config {
    std::int64_t hidden = 32;
  };

  explicit navigator(config const& c)
      : goal_(register_module("goal", torch::nn::Linear(2, c.hidden))),
        embedding_(register_module("embedding", torch::nn::Embedding(move_count + 1, c.hidden))),
        gru_(register_module("gru",
                             torch::nn::GRU(torch::nn::GRUOptions(c.hidden, c.hidden).batch_first(true)))),
        head_(register_module("head", torch::nn::Linear(c.hidden, move_count))) {}

  /// log p(route | goal): goals [rows, 2], routes [rows, 4] → [rows].
  torch::Tensor log_prob(torch::Tensor const& goals, torch::Tensor const& routes) {
    auto const before_last = routes.narrow(1, 0, route_length - 1);
    return next_move(goals, before_last).gather(2, routes.unsqueeze(2)).sum({1, 2});
  }

  /// Routes drawn by inversion, the k-th move at the quantile uniforms[:, k]: [rows, 4].
  torch::Tensor sample(torch::Tensor const& goals, torch::Tensor const& uniforms) {
    auto routes = torch::empty({goals.size(0), 0}, torch::kLong);
    for (int k = 0; k < route_length; ++k) {
      auto const cumulative = next_move(goals, routes).select(1, k).exp().cumsum(1);
      auto const move = (cumulative < uniforms.narrow(1, k, 1)).sum(1, true).clamp_max(move_count - 1);
      routes = torch::cat({routes, move}, 1);
    }
    return routes;
  }

 private:
  /// log p of every next move, after none, one, … of `moves` [rows, n]: [rows, n + 1, 5].
  torch::Tensor next_move(torch::Tensor const& goals, torch::Tensor const& moves) {
    auto const begin = torch::full({goals.size(0), 1}, move_count, torch::kLong);
    auto const start = goal_(goals).tanh().unsqueeze(0);
    auto const hidden = std::get<0>(gru_(embedding_(torch::cat({begin, moves}, 1)), start));
    return head_(hidden).log_softmax(2);
  }

  torch::nn::Linear goal_;
  torch::nn::Embedding embedding_;
  torch::nn::GRU gru_;
  torch::nn::Linear head_;
};

/// A generative model of where a ship lands that was given a route: noise becomes a landing along a straight
/// line, z_t = (1 − t)·landing + t·noise, whose velocity a perceptron predicts (flow matching).
class pilot : public torch::nn::Module {
 public:
  struct config {
    std::int64_t hidden = 64;
  };

  explicit pilot(config const& c)
      : embedding_(register_module("embedding", torch::nn::Embedding(move_count, c.hidden))),
        body_(register_module(
            "body", torch::nn::Sequential(torch::nn::Linear(c.hidden + 3, c.hidden), torch::nn::SiLU(),
                                          torch::nn::Linear(c.hidden, c.hidden), torch::nn::SiLU(),
                                          torch::nn::Linear(c.hidden, 2)))) {}

  /// The squared error of the predicted velocity, averaged over K times and noises: landings [rows, 2],
  /// routes [rows, 4], times [rows, K], noise [rows, 2·K] → [rows].
  torch::Tensor error(torch::Tensor const& landings, torch::Tensor const& routes, torch::Tensor const& times,
                      torch::Tensor const& noise) {
    auto const from = landings.unsqueeze(1);
    auto const to = noise.view({times.size(0), times.size(1), 2});
    auto const t = times.unsqueeze(2);
    auto const missed = velocity(from + t * (to - from), t, routes) - (to - from);
    return missed.square().sum(2).mean(1);
  }

  /// Follows the velocity from `noise` [rows, 2] back to landings, [rows, 2], in `steps` steps.
  torch::Tensor sample(torch::Tensor const& routes, torch::Tensor const& noise, int steps) {
    auto z = noise.unsqueeze(1);
    for (int k = steps; k > 0; --k) {
      auto const t = torch::full({z.size(0), 1, 1}, static_cast<double>(k) / steps, z.options());
      z = z - velocity(z, t, routes) / steps;
    }
    return z.squeeze(1);
  }

 private:
  /// z [rows, K, 2], t [rows, K, 1] → [rows, K, 2].
  torch::Tensor velocity(torch::Tensor const& z, torch::Tensor const& t, torch::Tensor const& routes) {
    auto const plan = embedding_(routes).sum(1, true).expand({-1, z.size(1), -1});
    return body_->forward(torch::cat({z, t, plan}, 2));
  }

  torch::nn::Embedding embedding_;
  torch::nn::Sequential body_;
};
