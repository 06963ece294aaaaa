// What a frozen reference scores the pairs of a data set, kept: one number for each node, pair, side and,
// where a node draws noise, visit. With them a training step runs the policy alone.
//
// A score is log p of an exact node, and −T·ℓ of a denoising one; a log-ratio is then the policy's score
// minus the kept one. That agrees with the log-ratio formed element by element up to the rounding of the
// scores. Filled and stored by train/reference_cache.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "sysdpo/core/hash.hpp"
#include "sysdpo/graph/hash_values.hpp"
#include "sysdpo/graph/preference.hpp"
#include "sysdpo/policy/concept.hpp"

namespace sysdpo {

/// Scores of the reference: a number for each node, pair, side and visit.
template <class System>
class reference_scores {
 public:
  /// Room for `visits` visits of every pair. \throws error if there are none, or an id is used twice.
  reference_scores(std::span<preference<System> const> pairs, std::uint32_t visits) : visits_(visits) {
    if (visits == 0) fail({"reference scores", "visits = 0", "nothing would be kept", "Give at least 1"});
    for (auto const& pair : pairs) {
      if (!places_.emplace(pair.id, places_.size()).second)
        fail({"reference scores", "pair " + std::to_string(pair.id), "the id is used twice",
              "Number the pairs: random draws are keyed by id"});
      contents_.push_back(hash_of(pair).value());
    }
    for_each_node<System>([&](auto tag) { scores_[tag].assign(pairs.size() * 2 * visits_of(tag), 0.0); });
  }

  [[nodiscard]] std::size_t pairs() const { return contents_.size(); }
  [[nodiscard]] std::uint32_t visits() const { return visits_; }

  /// Where `pair` is kept: nothing if it is not, or if its values are others than then.
  [[nodiscard]] std::optional<std::size_t> find(preference<System> const& pair) const {
    auto const place = places_.find(pair.id);
    if (place == places_.end() || contents_[place->second] != hash_of(pair).value()) return std::nullopt;
    return place->second;
  }

  /// The score of a node, by its index in the system. `pair` is a place as `find` returns it. \throws error
  /// on a visit that is not kept.
  [[nodiscard]] double& at(std::size_t node, std::size_t pair, int side, std::uint32_t visit) {
    return scores_[node][element(node, pair, side, visit)];
  }
  /// The same, to be read alone.
  [[nodiscard]] double at(std::size_t node, std::size_t pair, int side, std::uint32_t visit) const {
    return scores_[node][element(node, pair, side, visit)];
  }

  /// All scores of a node, [pairs, 2, visits], one visit where the node draws no noise.
  [[nodiscard]] std::span<double> of_node(std::size_t node) { return scores_[node]; }
  [[nodiscard]] std::span<double const> of_node(std::size_t node) const { return scores_[node]; }

  /// The visits that are told apart at a node: one for exact nodes, whose scores depend on no draw.
  [[nodiscard]] std::size_t visits_of(std::size_t node) const { return draws_noise[node] ? visits_ : 1; }

 private:
  static constexpr auto draws_noise = [] {
    std::array<bool, System::node_count> result{};
    for_each_node<System>([&](auto tag) {
      using policy = typename decltype(tag)::node::policy;
      if constexpr (is_scored<policy>) result[tag] = policy::loss_is != loss_kind::exact;
    });
    return result;
  }();

  [[nodiscard]] std::size_t element(std::size_t node, std::size_t pair, int side, std::uint32_t visit) const {
    if (visit >= visits_)
      fail(
          {"reference scores", "visit " + std::to_string(visit),
           "only " + std::to_string(visits_) + " visits of each pair are kept, and noise must not be made up",
           "Let the trainer come back to the same noise (trainer_options::noise_visits), or keep more "
           "visits"});
    auto const noise = draws_noise[node] ? visit : 0;
    return (pair * 2 + static_cast<std::size_t>(side)) * visits_of(node) + noise;
  }

  std::uint32_t visits_;
  std::unordered_map<std::uint64_t, std::size_t> places_;
  std::vector<std::uint64_t> contents_;  // a hash of each pair's values
  std::array<std::vector<double>, System::node_count> scores_;
};

}  // namespace sysdpo
