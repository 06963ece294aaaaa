// The reference's scores of a data set, made once and kept in a file: for the price of one pass over the data
// a visit, every training on it runs the policy alone.
//
// The file is safetensors: a tensor [pairs, 2, visits] in double for each scored node, and as metadata what
// the scores were made from. A file that was made from anything else is refused with what differs, never used
// and never overwritten.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "sysdpo/io/safetensors.hpp"
#include "sysdpo/loss/log_ratio.hpp"
#include "sysdpo/loss/reference_scores.hpp"
#include "sysdpo/train/fingerprint.hpp"
#include "sysdpo/train/progress.hpp"

namespace sysdpo {

/// What is kept of a reference.
struct reference_cache_options {
  std::uint32_t visits = 1;                ///< kept of each pair: what trainer_options::noise_visits may be
  std::uint64_t seed = 0;                  ///< of the noise: preference_options::seed
  index_t pairs_per_batch = 16;            ///< scored at once
  std::string title = "reference scores";  ///< of the progress bar
};

namespace detail {

/// Scores the node `Node` for every pair, side and visit.
template <class Node, class System, class Backend, class Precision>
void score_node(models<System, Backend, Precision>& reference, policy_options<System> const& policies,
                std::span<preference<System> const> pairs, reference_cache_options const& options,
                reference_scores<System>& scores, auto&& advance) {
  using T = typename Precision::compute;
  using policy = typename Node::policy;
  using row = row_of<System, Node>;
  using name = typename Node::name;
  constexpr auto node = System::template index_of<name>;
  auto& model = reference.template get<typename policy::model>();
  static_assert(
      scores_alone<policy, std::remove_reference_t<decltype(model)>, tape<Backend, T>, std::span<row const>>,
      "sysdpo policy: to keep a reference's scores a policy provides log_prob(tape, model, options, "
      "rows) or score(tape, model, options, rows); see policy/concept.hpp");
  std::vector<row> rows;
  tape<Backend, T> scratch(recording::off);
  for (std::uint32_t visit = 0; visit < scores.visits_of(node); ++visit)
    for (std::size_t begin = 0; begin < pairs.size();
         begin += static_cast<std::size_t>(options.pairs_per_batch)) {
      auto const end = std::min(pairs.size(), begin + static_cast<std::size_t>(options.pairs_per_batch));
      rows.clear();
      for (int side = 0; side < 2; ++side)
        for (auto i = begin; i < end; ++i) {
          auto const& values = side == 0 ? pairs[i].chosen : pairs[i].rejected;
          rows.push_back({.value = &get<name>(values),
                          .parents = parent_pointers<name>(values),
                          .key = {.seed = options.seed,
                                  .pair = pairs[i].id,
                                  .node = static_cast<std::uint32_t>(node),
                                  .visit = visit,
                                  .draw = 0},
                          .side = side});
        }
      auto const scored = score<policy, Backend, T>(scratch, model, policies.template get<policy>(),
                                                    std::span<row const>(rows))
                              .value()
                              .to_host();
      auto next = scored.begin();
      for (int side = 0; side < 2; ++side)
        for (auto i = begin; i < end; ++i) {
          auto const value = static_cast<double>(*next++);
          if (!std::isfinite(value))
            fail({"reference scores", fmt::format("pair {}, node '{}'", pairs[i].id, name_of<name>()),
                  fmt::format("the reference scores {}", value),
                  "Check the reference's weights and the pair"});
          scores.at(node, i, side, visit) = value;
        }
      advance();
    }
}

}  // namespace detail

/// The scores of `reference` for `pairs`: read from `file` if it is there, else made and written to it.
/// \throws error if the file was made from other data, weights, settings, seed or visits, or is damaged.
template <class System, class Backend, class Precision>
[[nodiscard]] reference_scores<System> cache_reference(std::filesystem::path const& file,
                                                       models<System, Backend, Precision>& reference,
                                                       policy_options<System> const& policies,
                                                       std::span<preference<System> const> pairs,
                                                       reference_cache_options const& options) {
  if (options.pairs_per_batch < 1)
    fail({"reference scores", fmt::format("pairs_per_batch = {}", options.pairs_per_batch),
          "nothing would be scored", "Give at least 1"});
  reference_scores<System> scores(pairs, options.visits);
  string_map made_from = fingerprint_of(reference, policies, pairs);
  made_from["visits"] = std::to_string(options.visits);
  made_from["noise seed"] = std::to_string(options.seed);
  made_from["computed in"] =
      fmt::format("{} of {} bytes", Backend::name, sizeof(typename Precision::compute));
  auto const each_scored = [&](auto&& visit) {
    for_each_node<System>([&](auto tag) {
      using node = typename decltype(tag)::node;
      if constexpr (is_scored<typename node::policy>) visit(tag, std::string(name_of<typename node::name>()));
    });
  };
  auto const shape_of = [&](std::size_t node) {
    return std::vector<std::int64_t>{static_cast<std::int64_t>(pairs.size()), 2,
                                     static_cast<std::int64_t>(scores.visits_of(node))};
  };

  if (std::filesystem::exists(file)) {
    safetensors_file const stored(file);
    auto const refuse = [&](std::string cause) {
      fail({"reference cache", file.string(), std::move(cause),
            "Remove the file to have it made anew, or train with what it was made from"});
    };
    for (auto const& [what, now] : made_from) {
      auto const then = stored.metadata().find(what);
      if (then == stored.metadata().end())
        refuse(fmt::format("it does not tell the {} it was made from", what));
      if (then->second != now)
        refuse(fmt::format("it was made from another '{}': {} then, {} now", what, then->second, now));
    }
    each_scored([&](auto tag, std::string const& name) {
      auto const& tensor = stored.find(name);
      if (tensor.shape != shape_of(tag) || tensor.type != dtype::f64)
        refuse(fmt::format("the scores of '{}' have another shape or type", name));
      copy_elements(tensor, scores.of_node(tag));
    });
    return scores;
  }

  auto const batches = (std::ssize(pairs) + options.pairs_per_batch - 1) / options.pairs_per_batch;
  index_t passes = 0;
  each_scored([&](auto tag, std::string const&) { passes += static_cast<index_t>(scores.visits_of(tag)); });
  progress bar(options.title, passes * batches);
  index_t done = 0;
  std::vector<tensor_view> tensors;
  each_scored([&](auto tag, std::string const& name) {
    detail::score_node<typename decltype(tag)::node>(reference, policies, pairs, options, scores,
                                                     [&] { bar.advance(++done, name); });
    tensors.push_back(
        view_as_tensor(name, shape_of(tag), std::span<double const>(std::as_const(scores).of_node(tag))));
  });
  write_safetensors(file, tensors, made_from);
  return scores;
}

}  // namespace sysdpo
