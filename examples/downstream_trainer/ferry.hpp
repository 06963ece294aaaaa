// The system: a navigator plots a route to the goal, a pilot sails it. Passengers judge the landing alone.
#pragma once

#include "networks.hpp"
#include "torch_node.hpp"

struct goal {
  static constexpr auto name = "goal";
};
struct route {
  static constexpr auto name = "route";
};
struct landing {
  static constexpr auto name = "landing";
};

/// A place on the chart.
struct point {
  using type = std::array<float, 2>;
  static std::string describe() { return "point"; }
};
using moves = sysdpo::list<sysdpo::category<move_count>, route_length>;

/// A row's value, and its only parent's.
inline constexpr auto value_of = [](auto const& row) -> auto const& { return *row.value; };
inline constexpr auto parent_of = [](auto const& row) -> auto const& { return *std::get<0>(row.parents); };

/// `count` random numbers for each row; they follow from its key.
template <class T, class Rows>
torch::Tensor normals(Rows const& rows, int count) {
  std::vector<float> numbers(static_cast<std::size_t>(count));
  return matrix<T>(rows, [&](auto const& row) {
    sysdpo::fill_normal(numbers, row.key);
    return std::span<float const>(numbers);
  });
}
template <class T, class Rows>
torch::Tensor uniforms(Rows const& rows, int count) {
  std::vector<float> numbers(static_cast<std::size_t>(count));
  return matrix<T>(rows, [&](auto const& row) {
    auto key = row.key;
    ++key.draw;  // another stream than that of the normals
    sysdpo::fill_uniform(numbers, key);
    return std::span<float const>(numbers);
  });
}

/// The type that an instance computes in.
template <class Model>
using number_of = typename std::remove_reference_t<Model>::T;

/// How the navigator's node is scored and drawn: a language model, exact.
struct plotting {
  using value = moves;
  using model = torch_model<navigator>;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;

  template <class Backend, class T>
  static auto log_prob(sysdpo::tape<Backend, T>& tape, auto& model, auto const&, auto rows) {
    auto const goals = matrix<T>(rows, parent_of);
    auto const routes = matrix<std::int64_t>(rows, value_of);
    return record_torch(tape, model, [&](navigator& network) { return network.log_prob(goals, routes); });
  }

  static auto sample(auto& model, auto const&, auto requests) {
    torch::NoGradGuard const guard;
    using T = number_of<decltype(model)>;
    auto const goals = matrix<T>(requests, parent_of);
    return drawn_rows<value>(model.network().sample(goals, uniforms<T>(requests, route_length)));
  }
};

/// The pilot's: a generative model without a likelihood. Scored by what it is trained on, its error.
struct steering {
  using value = point;
  using model = torch_model<pilot>;
  static constexpr auto loss_is = sysdpo::loss_kind::surrogate;

  struct options {
    int draws = 8;      ///< K, of times and noises
    double factor = 5;  ///< of the error in the log-ratio
    int steps = 16;     ///< of sampling
  };

  /// −factor·error. Policy and reference see the same draws, for they are given the same keys.
  template <class Backend, class T>
  static auto score(sysdpo::tape<Backend, T>& tape, auto& model, options const& settings, auto rows) {
    auto const landings = matrix<T>(rows, value_of);
    auto const routes = matrix<std::int64_t>(rows, parent_of);
    auto const times = uniforms<T>(rows, settings.draws);
    auto const noise = normals<T>(rows, 2 * settings.draws);
    return record_torch(tape, model, [&](pilot& network) {
      return -settings.factor * network.error(landings, routes, times, noise);
    });
  }

  static auto reference(auto& model, options const& settings, auto rows) {
    sysdpo::tape<sysdpo::cpu, number_of<decltype(model)>> scratch(sysdpo::recording::off);
    return score(scratch, model, settings, rows).value();
  }

  template <class Backend, class T>
  static auto log_ratio(sysdpo::tape<Backend, T>& tape, auto& model,
                        sysdpo::tensor<Backend, T> const& reference, options const& settings, auto rows) {
    return sysdpo::minus_reference(tape, score(tape, model, settings, rows), reference);
  }

  static auto sample(auto& model, options const& settings, auto requests) {
    torch::NoGradGuard const guard;
    auto const routes = matrix<std::int64_t>(requests, parent_of);
    auto const noise = normals<number_of<decltype(model)>>(requests, 2);
    return drawn_rows<value>(model.network().sample(routes, noise, settings.steps));
  }
};

using ferry = sysdpo::system<sysdpo::source<goal, point>, sysdpo::node<route, plotting, sysdpo::from<goal>>,
                             sysdpo::node<landing, steering, sysdpo::from<route>>>;
using voyage = sysdpo::assignment<ferry>;
using ferry_pair = sysdpo::preference<ferry>;

/// What passengers go by: how near to the goal they are put ashore.
inline double reward(voyage const& sailed) {
  auto const& [x, y] = get<landing>(sailed);
  auto const& [goal_x, goal_y] = get<goal>(sailed);
  return -std::hypot(x - goal_x, y - goal_y);
}
