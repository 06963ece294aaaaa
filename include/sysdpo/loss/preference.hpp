// The system's loss: log-ratios of all nodes, folded to a margin a pair, linked to a loss, and sent back as
// one seed a row.
//
//   A(s) = Σ_k c_k r_k(s),  h = A(s^w) − A(s^l),  L = Σ_pairs weight · link(h, β) / divisor (method, §2)
//
// Nodes are coupled by the seeds alone: no gradient crosses from one node into another, so groups of nodes
// (the same policy and parents' types: one batch) are run one after the other. In two-pass mode pass 1
// computes all log-ratios without a tape, pass 2 recomputes and differentiates one piece at a time: the same
// gradients, at the peak memory of the largest piece. A node that is frozen and equals its reference, or
// whose scale is 0, costs nothing in either direction.
//
// Gradients are added (`+=`) to the policy's parameters; the reference is only read.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <deque>
#include <exception>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sysdpo/graph/preference.hpp"
#include "sysdpo/graph/system.hpp"
#include "sysdpo/loss/link.hpp"
#include "sysdpo/loss/log_ratio.hpp"
#include "sysdpo/loss/reference_scores.hpp"
#include "sysdpo/model/models.hpp"
#include "sysdpo/policy/options.hpp"

namespace sysdpo {

struct preference_op;

/// The loss of a system: its strength, its link, how nodes weigh, how it is computed.
template <class System, preference_link Link = logistic>
struct preference_options {
  double beta = 0.1;  ///< strength of the pull to the reference, > 0
  Link link{};
  node_numbers<System> scales = node_numbers<System>::all(1.0);  ///< c_k; 0 leaves a node out
  /// Multiplies what flows back into a node's rejected rows; 1 is the loss's own gradient. Below 1 the push
  /// away from rejected values is weaker than the pull to chosen ones, which keeps a generator from drifting
  /// to where neither side lives.
  node_numbers<System> rejected_gradient = node_numbers<System>::all(1.0);
  bool two_pass = false;
  index_t rows_per_piece = 0;  ///< two-pass mode: most rows of a node in memory at a time; 0 is all
  std::uint64_t seed = 0;      ///< of the nodes' random draws
  /// The reference's scores of the pairs, if they are kept; must outlive the loss. The reference is then run
  /// only for batches with pairs that are not among them.
  reference_scores<System> const* cached = nullptr;
};

/// A pair and how often it was visited before: each visit draws fresh noise.
template <class System>
struct pair_visit {
  preference<System> const* pair = nullptr;
  std::uint32_t visit = 0;
};

/// What a batch gave, on the backend; read it on the host through `loss/metrics.hpp`.
template <class Backend, class T>
struct preference_result {
  tensor<Backend, T> ratios;  ///< [slots, 2, pairs], side 0 chosen; slots order nodes as System::slot_of
  /// [slots, 2, pairs]: the reference's log p, NaN for nodes that are not scored or score a bound only. With
  /// `ratios` it gives the policy's log p.
  tensor<Backend, T> references;
  tensor<Backend, double> scores;  ///< [2, pairs]: A of each side
  tensor<Backend, double> losses;  ///< [pairs], weighted by the pairs' weights
};

/// The loss of batches of pairs under a policy and a reference, and its gradient.
template <class System, class Backend, class Precision = precision<float>, preference_link Link = logistic>
class preference_loss {
 public:
  using T = typename Precision::compute;
  using number = widened<T>;  ///< of scores, log-ratios and their seeds
  using models_type = models<System, Backend, Precision>;
  using result_type = preference_result<Backend, number>;
  using batch_type = std::span<pair_visit<System> const>;

  /// Both model sets must outlive the loss. \throws error if β ≤ 0, a scale is not finite or the link's noise
  /// rate is no rate.
  preference_loss(models_type& policy, models_type& reference, policy_options<System> const& policies,
                  preference_options<System, Link> const& options)
      : policy_(&policy), reference_(&reference), policies_(policies), options_(options) {
    if (&policy == &reference)
      fail({"preference loss", "policy and reference", "they are one object, so that every log-ratio is zero",
            "Copy the models first: auto reference = policy"});
    if (!(options.beta > 0) || !std::isfinite(options.beta))
      fail({"preference loss", "beta = " + std::to_string(options.beta), "beta must be a positive number",
            "Values between 0.01 and 1 are usual"});
    for (auto const factor : options.rejected_gradient.values)
      if (!(factor >= 0 && factor <= 1))
        fail({"preference loss", "rejected_gradient = " + std::to_string(factor), "it lies in [0, 1]",
              "1 is the loss's own gradient"});
    for (auto const scale : options.scales.values)
      if (!std::isfinite(scale))
        fail({"preference loss", "scale " + std::to_string(scale), "a node's scale is not finite",
              "Give finite scales"});
    check_link(options.link);
    for_each_group([&](auto group) {
      auto& state = std::get<group>(groups_);
      using policy_type = policy_of<group>;
      if constexpr (is_scored<policy_type> && !std::is_same_v<typename policy_type::model, no_model>) {
        auto& weights = policy.template get<typename policy_type::model>().parameters();
        state.trainable =
            std::any_of(weights.begin(), weights.end(), [](auto const& weight) { return weight.trainable; });
        state.idle = !state.trainable &&
                     same_values(weights, reference.template get<typename policy_type::model>().parameters());
      } else {
        state.idle = !is_scored<policy_type>;
      }
    });
  }

  /// Forward only: no gradient, the cheapest look at a batch. \throws memory_error that tells what each node
  /// held.
  [[nodiscard]] result_type score(batch_type batch) {
    return telling_what_is_held([&] {
      run_forward(batch, recording::off);
      return fold(batch, static_cast<double>(batch.size())).first;
    });
  }

  /// Forward and backward: adds ∂L/∂θ to the policy's gradients, L = Σ weight · link / divisor. Give the size
  /// of the whole optimiser step's batch as divisor when accumulating over several calls. \throws
  /// memory_error that tells what each node held.
  result_type accumulate(batch_type batch, double divisor) {
    return telling_what_is_held([&] {
      run_forward(batch, options_.two_pass ? recording::off : recording::on);
      auto const [result, seeds] = fold(batch, divisor);
      for_each_group([&](auto group) { backward_group<group>(seeds, static_cast<index_t>(batch.size())); });
      return result;
    });
  }
  result_type accumulate(batch_type batch) { return accumulate(batch, static_cast<double>(batch.size())); }

  /// Whether the node `Name` takes part: false if it is a tool, scaled by 0, or frozen and equal to its
  /// reference.
  template <class Name>
  [[nodiscard]] bool takes_part() const {
    constexpr auto node = System::template index_of<Name>;
    return is_active<System::group_of[node]>(node);
  }

  [[nodiscard]] preference_options<System, Link> const& options() const { return options_; }
  [[nodiscard]] policy_options<System> const& policies() const { return policies_; }

 private:
  template <std::size_t Group>
  using node_in_group = typename System::template node_at<System::node_in_slot[System::group_begin[Group]]>;
  template <std::size_t Group>
  using policy_of = typename node_in_group<Group>::policy;

  template <class Policy, class Row, bool Scored = is_scored<Policy>>
  struct record_of {
    struct type {};
  };
  template <class Policy, class Row>
  struct record_of<Policy, Row, true> {
    using model = decltype(std::declval<models_type&>().template get<typename Policy::model>());
    using type = decltype(reference_record<Policy, Backend, T>(std::declval<model>(),
                                                               std::declval<options_of<Policy> const&>(),
                                                               std::declval<std::span<Row const>>()));
  };

  /// Whether the reference's record of a group is its log p.
  template <std::size_t Group>
  static constexpr bool records_log_prob = [] {
    using policy_type = policy_of<Group>;
    if constexpr (is_scored<policy_type>) {
      using row = row_of<System, node_in_group<Group>>;
      using model = typename record_of<policy_type, row>::model;
      return policy_type::loss_is == loss_kind::exact &&
             !scores_log_ratio<policy_type, std::remove_reference_t<model>, tape<Backend, T>,
                               std::span<row const>>;
    } else {
      return false;
    }
  }();

  /// A group's rows, [active members, 2, pairs], and what pass 1 left for the backward pass, piece by piece.
  template <std::size_t Group>
  struct group_state {
    using row = row_of<System, node_in_group<Group>>;
    using record = typename record_of<policy_of<Group>, row>::type;

    bool idle = false;
    bool trainable = true;
    std::vector<row> rows;
    std::vector<number> scores;                 // kept ones of the reference, a row each, or empty
    std::vector<record> records;                // what it says of each piece, or, kept,
    std::vector<tensor<Backend, number>> kept;  // its scores
    std::deque<tape<Backend, T>> tapes;         // kept from call to call for their memory
    std::vector<variable<Backend, number>> ratios;
  };

  template <class Sequence>
  struct states_of;
  template <std::size_t... Groups>
  struct states_of<std::index_sequence<Groups...>> {
    using type = std::tuple<group_state<Groups>...>;
  };

  template <class Visit>
  static void for_each_group(Visit&& visit) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (visit(std::integral_constant<std::size_t, I>{}), ...);
    }(std::make_index_sequence<System::group_count>{});
  }

  template <class Set>
  static bool same_values(Set const& a, Set const& b) {
    if constexpr (!holds_values<Backend>) return true;
    auto other = b.begin();
    for (auto const& weight : a) {
      auto const ours = weight.value.to_host();
      auto const theirs = (other++)->value.to_host();
      if (ours.size() != theirs.size() || std::memcmp(ours.data(), theirs.data(), weight.value.bytes()) != 0)
        return false;
    }
    return true;
  }

  template <std::size_t Group>
  [[nodiscard]] bool is_active(std::size_t node) const {
    return !std::get<Group>(groups_).idle && options_.scales.values[node] != 0;
  }

  /// Rows of one forward call.
  [[nodiscard]] index_t piece_rows(index_t rows) const {
    return options_.two_pass && options_.rows_per_piece > 0 ? std::min(rows, options_.rows_per_piece) : rows;
  }

  /// Where the batch's pairs are kept, in its order; nothing if one of them is not.
  [[nodiscard]] std::vector<std::size_t> kept_places(batch_type batch) const {
    std::vector<std::size_t> places;
    if (options_.cached == nullptr) return places;
    for (auto const& [pair, visit] : batch) {
      auto const place = options_.cached->find(*pair);
      if (!place) return {};
      places.push_back(*place);
    }
    return places;
  }

  template <std::size_t Group>
  void gather_rows(batch_type batch, std::vector<std::size_t> const& places) {
    auto& state = std::get<Group>(groups_);
    state.rows.clear();
    state.scores.clear();
    for_each_node<System>([&](auto node) {
      if constexpr (System::group_of[node] == Group) {
        using name = typename decltype(node)::node::name;
        if (!is_active<Group>(node)) return;
        for (int side = 0; side < 2; ++side)
          for (std::size_t i = 0; i < batch.size(); ++i) {
            auto const& [pair, visit] = batch[i];
            auto const& values = side == 0 ? pair->chosen : pair->rejected;
            if (!places.empty())
              state.scores.push_back(static_cast<number>(options_.cached->at(node, places[i], side, visit)));
            state.rows.push_back({.value = &get<name>(values),
                                  .parents = parent_pointers<name>(values),
                                  .key = {.seed = options_.seed,
                                          .pair = pair->id,
                                          .node = static_cast<std::uint32_t>(node),
                                          .visit = visit,
                                          .draw = 0},
                                  .side = side});
          }
      }
    });
  }

  void run_forward(batch_type batch, recording mode) {
    if (batch.empty()) fail({"preference loss", "", "the batch is empty", "Give at least one pair"});
    auto const places = kept_places(batch);
    for_each_group([&](auto group) {
      using policy_type = policy_of<group>;
      auto& state = std::get<group>(groups_);
      holding const measured(*this, group);
      if constexpr (is_scored<policy_type>) {
        gather_rows<group>(batch, places);
        for_each_piece(state, [&](auto piece) {
          auto const i = state.ratios.size();
          look_up_reference<group>(piece);
          if (state.tapes.size() == i) state.tapes.emplace_back();
          auto& tape = state.tapes[i];
          tape.restart(state.trainable ? mode : recording::off);
          state.ratios.push_back(ratio_of<group>(tape, i, piece));
        });
      }
    });
  }

  template <class State, class Visit>
  void for_each_piece(State& state, Visit&& visit) {
    auto const rows = static_cast<index_t>(state.rows.size());
    for (index_t begin = 0; begin < rows; begin += piece_rows(rows))
      visit(std::span(std::as_const(state.rows))
                .subspan(static_cast<std::size_t>(begin),
                         static_cast<std::size_t>(std::min(piece_rows(rows), rows - begin))));
  }

  /// Finds out what the reference says of a piece of rows: its kept scores, or by running it.
  template <std::size_t Group, class Piece>
  void look_up_reference(Piece piece) {
    using policy_type = policy_of<Group>;
    auto& state = std::get<Group>(groups_);
    if (state.scores.empty()) {
      state.records.push_back(
          reference_record<policy_type, Backend, T>(reference_->template get<typename policy_type::model>(),
                                                    policies_.template get<policy_type>(), piece));
    } else {
      auto const first = static_cast<std::size_t>(piece.data() - state.rows.data());
      state.kept.push_back(tensor<Backend, number>::from_host(
          {std::ssize(piece)}, std::span(state.scores).subspan(first, piece.size())));
    }
  }

  /// The log-ratios of the piece number `i`.
  template <std::size_t Group, class Piece>
  variable<Backend, number> ratio_of(tape<Backend, T>& tape, std::size_t i, Piece piece) {
    using policy_type = policy_of<Group>;
    auto& state = std::get<Group>(groups_);
    auto& model = policy_->template get<typename policy_type::model>();
    auto const& settings = policies_.template get<policy_type>();
    auto ratio =
        state.kept.empty()
            ? log_ratio<policy_type>(tape, model, state.records[i], settings, piece)
            : minus_reference(tape, sysdpo::score<policy_type, Backend, T>(tape, model, settings, piece),
                              state.kept[i]);
    if (ratio.extents() != shape{static_cast<index_t>(piece.size())})
      fail({"preference loss", std::string(name_of<typename node_in_group<Group>::name>()),
            "the policy scored " + to_string(ratio.extents()) + " for " + std::to_string(piece.size()) +
                " rows",
            "Return one number a row"});
    return ratio;
  }

  /// Log-ratios of all slots → scores, losses and seeds.
  std::pair<result_type, tensor<Backend, number>> fold(batch_type batch, double divisor) {
    auto const pairs = static_cast<index_t>(batch.size());
    auto const slots = static_cast<index_t>(System::node_count);
    std::vector<number> const unknown(static_cast<std::size_t>(slots * 2 * pairs),
                                      std::numeric_limits<number>::quiet_NaN());
    result_type result{.ratios = tensor<Backend, number>::zeros({slots, 2, pairs}),
                       .references = tensor<Backend, number>::from_host({slots, 2, pairs}, unknown),
                       .scores = tensor<Backend, double>({2, pairs}),
                       .losses = tensor<Backend, double>({pairs})};
    for_each_group([&](auto group) {
      for_each_part<group>(pairs, [&](index_t slot_element, auto const& state, std::size_t piece,
                                      index_t piece_element, index_t count) {
        auto const bytes = static_cast<std::size_t>(count) * sizeof(number);
        Backend::copy(result.ratios.data() + slot_element, state.ratios[piece].value().data() + piece_element,
                      bytes);
        if constexpr (records_log_prob<group>)
          Backend::copy(result.references.data() + slot_element,
                        (state.kept.empty() ? state.records : state.kept)[piece].data() + piece_element,
                        bytes);
      });
    });

    std::array<double, System::node_count> scales{};
    std::array<double, System::node_count> rejected{};
    for_each_node<System>([&](auto node) {
      scales[System::slot_of[node]] =
          is_active<System::group_of[node]>(node) ? options_.scales.values[node] : 0;
      rejected[System::slot_of[node]] = options_.rejected_gradient.values[node];
    });
    std::vector<double> weights;
    for (auto const& [pair, visit] : batch) weights.push_back(pair->weight);
    tensor<Backend, number> seeds({slots, 2, pairs});
    implement<preference_op, Backend>::forward(
        result.ratios.const_view(), tensor<Backend, double>::from_host({slots}, scales).const_view(),
        tensor<Backend, double>::from_host({slots}, rejected).const_view(),
        tensor<Backend, double>::from_host({pairs}, weights).const_view(), options_.link, options_.beta,
        divisor, result.scores.view(), result.losses.view(), seeds.view());
    return {std::move(result), std::move(seeds)};
  }

  /// Matches a group's pieces with the slots they fill: visit(element of [slots, 2, pairs], state, piece,
  /// element of the piece, count) for every maximal run that is contiguous on both sides.
  template <std::size_t Group, class Visit>
  void for_each_part(index_t pairs, Visit&& visit) {
    auto& state = std::get<Group>(groups_);
    auto const rows = static_cast<index_t>(state.rows.size());
    if (rows == 0) return;
    auto const piece_size = piece_rows(rows);
    index_t row = 0;
    for (auto const node : System::group_members(Group)) {
      if (!is_active<Group>(node)) continue;
      auto const slot_begin = static_cast<index_t>(System::slot_of[node]) * 2 * pairs;
      for (index_t done = 0; done < 2 * pairs;) {
        auto const piece = row / piece_size;
        auto const count = std::min(2 * pairs - done, (piece + 1) * piece_size - row);
        visit(slot_begin + done, state, static_cast<std::size_t>(piece), row - piece * piece_size, count);
        done += count;
        row += count;
      }
    }
  }

  template <std::size_t Group>
  void backward_group(tensor<Backend, number> const& seeds, index_t pairs) {
    auto& state = std::get<Group>(groups_);
    if (!state.trainable || state.rows.empty()) return;
    holding const measured(*this, Group);
    if constexpr (is_scored<policy_of<Group>>) {
      std::vector<tensor<Backend, number>> upstream;
      for (auto const& ratio : state.ratios) upstream.emplace_back(ratio.extents());
      for_each_part<Group>(pairs, [&](index_t slot_element, auto const&, std::size_t piece,
                                      index_t piece_element, index_t count) {
        Backend::copy(upstream[piece].data() + piece_element, seeds.data() + slot_element,
                      static_cast<std::size_t>(count) * sizeof(number));
      });
      std::size_t i = 0;
      for_each_piece(state, [&](auto piece) {
        auto& tape = state.tapes[i];
        if (options_.two_pass) {
          tape.restart(recording::on);
          state.ratios[i] = ratio_of<Group>(tape, i, piece);
        }
        tape.backward(state.ratios[i], upstream[i]);
        state.ratios[i] = {};
        ++i;
      });
    }
  }

  [[nodiscard]] static index_t bytes_in_use() {
    return static_cast<index_t>(Backend::memory().bytes_in_use());
  }

  /// Counts what a group of nodes holds of the backend's memory at the end of a scope.
  class holding {
   public:
    holding(preference_loss& loss, std::size_t group)
        : loss_(&loss), group_(group), before_(bytes_in_use()), exceptions_(std::uncaught_exceptions()) {}
    holding(holding const&) = delete;
    holding& operator=(holding const&) = delete;
    ~holding() {
      loss_->held_[group_] += bytes_in_use() - before_;
      if (std::uncaught_exceptions() > exceptions_) loss_->interrupted_ = group_;
    }

   private:
    preference_loss* loss_;
    std::size_t group_;
    index_t before_;
    int exceptions_;
  };

  /// Does `work`, a call's; where it finds no memory, its error says what the call's nodes held.
  template <class Work>
  result_type telling_what_is_held(Work&& work) {
    released const at_end(*this);
    held_ = {};
    interrupted_ = System::group_count;
    auto const before = bytes_in_use();
    try {
      return std::forward<Work>(work)();
    } catch (memory_error const& refused) {
      if (interrupted_ < held_.size()) {  // it had more then: whatever the others do not account for
        auto rest = static_cast<index_t>(Backend::memory().bytes_when_refused()) - before;
        for (std::size_t group = 0; group < held_.size(); ++group)
          rest -= group == interrupted_ ? 0 : held_[group];
        held_[interrupted_] = rest;
      }
      auto parts = refused.parts();
      parts.cause += "; in this step " + held_text() +
                     ", and before it weights, gradients, moments and all else " +
                     memory_text(static_cast<std::size_t>(before));
      throw memory_error(std::move(parts));
    }
  }

  /// What each group of nodes held.
  [[nodiscard]] std::string held_text() const {
    std::string text;
    for_each_group([&](auto group) {
      if constexpr (is_scored<policy_of<group>>) {
        std::string names;
        for_each_node<System>([&](auto node) {
          if (System::group_of[node] == group)
            names += (names.empty() ? "'" : ", '") +
                     std::string(name_of<typename decltype(node)::node::name>()) + "'";
        });
        text += (text.empty() ? "" : ", ") + names + " held " +
                memory_text(static_cast<std::size_t>(std::max<index_t>(held_[group], 0)));
      }
    });
    return text.empty() ? "no node is scored" : text;
  }

  /// Lets go of what a call holds at its end, also of one that throws: memory may be what it lacks.
  class released {
   public:
    explicit released(preference_loss& loss) : loss_(&loss) {}
    released(released const&) = delete;
    released& operator=(released const&) = delete;
    ~released() { loss_->release(); }

   private:
    preference_loss* loss_;
  };

  void release() noexcept {
    for_each_group([&](auto group) {
      auto& state = std::get<group>(groups_);
      state.ratios.clear();
      for (auto& tape : state.tapes) tape.reset();
      state.records.clear();
      state.kept.clear();
      state.rows.clear();
    });
  }

  models_type* policy_;
  models_type* reference_;
  policy_options<System> policies_;
  preference_options<System, Link> options_;
  typename states_of<std::make_index_sequence<System::group_count>>::type groups_{};
  std::array<index_t, System::group_count> held_{};  // bytes, of each group's nodes in the call under way
  std::size_t interrupted_ = System::group_count;    // the group that an exception came from
};

}  // namespace sysdpo
