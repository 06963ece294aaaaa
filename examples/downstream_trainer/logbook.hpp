// Where the two come from: each was trained on its own, in plain torch, on a logbook of poor voyages.
#pragma once

#include "ferry.hpp"

/// Where each move leads.
inline torch::Tensor steps() {
  return torch::tensor({{0.0F, 0.0F}, {1.0F, 0.0F}, {-1.0F, 0.0F}, {0.0F, 1.0F}, {0.0F, -1.0F}});
}

/// n entries: goals [n, 2], whole numbers from −2 to 2; routes [n, 4]; landings [n, 2].
struct logbook {
  torch::Tensor goals, routes, landings;
};

/// A move in two was made at random. A current, which no route can make up for, carried every ship by (½,
/// −½).
inline logbook read_logbook(std::int64_t n) {
  auto const goals = torch::randint(-2, 3, {n, 2});
  auto const right_move = [&](int axis, int k) {  // the k-th along an axis, or to stay where there is no need
    auto const distance = goals.select(1, axis);
    auto const towards = 1 + 2 * axis + (distance < 0).to(torch::kLong);
    return towards * (distance.abs() > k).to(torch::kLong);
  };
  auto const right =
      torch::stack({right_move(0, 0), right_move(0, 1), right_move(1, 0), right_move(1, 1)}, 1);
  auto const any = torch::randint(0, move_count, {n, route_length});
  auto const routes = torch::where(torch::rand({n, route_length}) < 0.5, right, any);
  auto const current = torch::tensor({0.5F, -0.5F});
  auto const landings = steps().index({routes}).sum(1) + current + 0.3 * torch::randn({n, 2});
  return {goals.to(torch::kFloat), routes, landings};
}

/// Lowers `loss()`, a number, by 1500 steps of Adam.
template <class Loss>
void minimise(torch::nn::Module const& network, Loss&& loss) {
  torch::optim::Adam optimizer(network.parameters(), 2e-3);
  for (int step = 0; step < 1500; ++step) {
    optimizer.zero_grad();
    loss().backward();
    optimizer.step();
  }
}

/// Teaches both what is in the logbook.
inline void pretrain(navigator& navigator, pilot& pilot) {
  constexpr std::int64_t batch = 128;
  minimise(navigator, [&] {
    auto const read = read_logbook(batch);
    return -navigator.log_prob(read.goals, read.routes).mean();
  });
  minimise(pilot, [&] {
    auto const read = read_logbook(batch);
    return pilot.error(read.landings, read.routes, torch::rand({batch, 4}), torch::randn({batch, 8})).mean();
  });
}
