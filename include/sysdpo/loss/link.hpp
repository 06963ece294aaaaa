// Links: how a pair's scaled or unscaled log-ratio difference becomes a loss. Each is a small value with
//   value(h, beta)   the loss of one pair
//   slope(h, beta)   its derivative by h
// where h = A(chosen) − A(rejected) and Δ = β·h. All in double; usable on a device. Users add their own:
// anything with these two members is a link.
#pragma once

#include <cmath>
#include <concepts>
#include <string>

#include "sysdpo/core/config.hpp"
#include "sysdpo/core/error.hpp"

namespace sysdpo {

/// A loss of one pair and its derivative, by the difference of scores and by β.
template <class Link>
concept preference_link = requires(Link const& link, double x) {
  { link.value(x, x) } -> std::same_as<double>;
  { link.slope(x, x) } -> std::same_as<double>;
};

/// −log σ(x), without overflow at either end.
[[nodiscard]] SYSDPO_HOST_DEVICE inline double softplus_of_minus(double x) {
  return x > 0 ? std::log1p(std::exp(-x)) : -x + std::log1p(std::exp(x));
}
/// σ(x), without overflow at either end.
[[nodiscard]] SYSDPO_HOST_DEVICE inline double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

/// −log σ(Δ): DPO (Rafailov et al. 2023) and the poster's loss.
struct logistic {
  /// The loss of one pair.
  [[nodiscard]] SYSDPO_HOST_DEVICE double value(double h, double beta) const {
    return softplus_of_minus(beta * h);
  }
  /// Its derivative by h.
  [[nodiscard]] SYSDPO_HOST_DEVICE double slope(double h, double beta) const {
    return -beta * sigmoid(-beta * h);
  }
};

/// −(1 − ε) log σ(Δ) − ε log σ(−Δ): conservative DPO, for labels flipped with probability ε (Mitchell 2023).
struct label_smoothed {
  double epsilon = 0.1;
  /// The loss of one pair.
  [[nodiscard]] SYSDPO_HOST_DEVICE double value(double h, double beta) const {
    return (1 - epsilon) * softplus_of_minus(beta * h) + epsilon * softplus_of_minus(-beta * h);
  }
  /// Its derivative by h.
  [[nodiscard]] SYSDPO_HOST_DEVICE double slope(double h, double beta) const {
    return beta * (epsilon * sigmoid(beta * h) - (1 - epsilon) * sigmoid(-beta * h));
  }
};

/// [−(1 − ε) log σ(Δ) + ε log σ(−Δ)] / (1 − 2ε): unbiased under labels flipped with probability ε < ½
/// (Chowdhury et al. 2024).
struct robust {
  double epsilon = 0.1;
  /// The loss of one pair.
  [[nodiscard]] SYSDPO_HOST_DEVICE double value(double h, double beta) const {
    return ((1 - epsilon) * softplus_of_minus(beta * h) - epsilon * softplus_of_minus(-beta * h)) /
           (1 - 2 * epsilon);
  }
  /// Its derivative by h.
  [[nodiscard]] SYSDPO_HOST_DEVICE double slope(double h, double beta) const {
    return -beta * ((1 - epsilon) * sigmoid(-beta * h) + epsilon * sigmoid(beta * h)) / (1 - 2 * epsilon);
  }
};

/// max(0, 1 − Δ) (SLiC, Zhao et al. 2023).
struct hinge {
  /// The loss of one pair.
  [[nodiscard]] SYSDPO_HOST_DEVICE double value(double h, double beta) const {
    return beta * h >= 1 ? 0 : 1 - beta * h;  // not a number where h is none
  }
  /// Its derivative by h.
  [[nodiscard]] SYSDPO_HOST_DEVICE double slope(double h, double beta) const {
    return beta * h >= 1 ? 0 : -beta;
  }
};

/// (h − 1 / (2β))²: IPO (Azar et al. 2023), on the unscaled difference.
struct ipo {
  /// The loss of one pair.
  [[nodiscard]] SYSDPO_HOST_DEVICE double value(double h, double beta) const {
    auto const distance = h - 1 / (2 * beta);
    return distance * distance;
  }
  /// Its derivative by h.
  [[nodiscard]] SYSDPO_HOST_DEVICE double slope(double h, double beta) const {
    return 2 * (h - 1 / (2 * beta));
  }
};

/// \throws error if a link's noise rate is no probability below one half.
template <class Link>
void check_link(Link const& link) {
  if constexpr (requires { link.epsilon; })
    if (!(link.epsilon >= 0 && link.epsilon < 0.5))
      fail({"preference loss", "epsilon = " + std::to_string(link.epsilon),
            "a label noise rate lies in [0, 0.5)", "Give the share of flipped labels"});
}

}  // namespace sysdpo
