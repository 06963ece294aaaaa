// A language model's node: the value is text, or a list of texts, generated after the parents' texts. Exact.
//
// One row becomes one token sequence,
//   begin, parent 1, separator, parent 2, separator, …, | value, end
// where a list's elements are joined by separators, on either side. log p(v | pa) sums over what stands
// behind the bar, the closing `end` included; everything before it is prompt and is not scored (method, §3).
//
// Asks of the model: `hidden(tape, packed_tokens) → [tokens, D]`, `head(tape) → [V, D]`, and for sampling
// what policy/token_sampling.hpp asks. Hidden states, not logits: head and log-probability are one operation.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "sysdpo/op/embedding.hpp"
#include "sysdpo/op/head_log_prob.hpp"
#include "sysdpo/op/segment_sum.hpp"
#include "sysdpo/policy/concept.hpp"
#include "sysdpo/policy/token_sampling.hpp"

namespace sysdpo {

/// How values become token sequences, and how they are drawn.
struct autoregressive_options {
  std::int32_t begin = 0;      ///< opens every sequence
  std::int32_t separator = 1;  ///< behind each parent, and between a list's elements
  std::int32_t end = 2;        ///< closes the value
  token_sampling sampling{};
  int retries = 2;  ///< how often a value that does not parse is drawn again
};

namespace detail {

using token_list = std::vector<std::int32_t>;

/// Appends a text, or a list's texts joined by `separator`.
inline void append_tokens(token_list& to, token_list const& from, std::int32_t) {
  to.insert(to.end(), from.begin(), from.end());
}
template <std::size_t N>
void append_tokens(token_list& to, std::array<token_list, N> const& from, std::int32_t separator) {
  for (std::size_t i = 0; i < N; ++i) {
    if (i != 0) to.push_back(separator);
    append_tokens(to, from[i], separator);
  }
}

/// The inverse of `append_tokens`: false unless `from` has exactly the type's number of non-empty elements.
inline bool parse_tokens(std::span<std::int32_t const> from, token_list& to, std::int32_t) {
  to.assign(from.begin(), from.end());
  return !to.empty();
}
template <std::size_t N>
bool parse_tokens(std::span<std::int32_t const> from, std::array<token_list, N>& to, std::int32_t separator) {
  for (std::size_t i = 0; i < N; ++i) {
    auto const stop = i + 1 < N ? std::find(from.begin(), from.end(), separator) : from.end();
    if (i + 1 < N && stop == from.end()) return false;
    to[i].assign(from.begin(), stop);
    if (to[i].empty() || std::find(to[i].begin(), to[i].end(), separator) != to[i].end()) return false;
    from = from.subspan(static_cast<std::size_t>(stop - from.begin()) + (i + 1 < N ? 1 : 0));
  }
  return true;
}

/// A text or a list of texts.
template <class Value>
concept made_of_tokens =
    requires(token_list& to, typename Value::type const& from) { append_tokens(to, from, 0); };

}  // namespace detail

/// Scores and draws texts, or lists of texts, with a language model.
template <class Model, class Value>
struct autoregressive {
  using value = Value;
  using model = Model;
  using options = autoregressive_options;
  static constexpr loss_kind loss_is = loss_kind::exact;
  static constexpr auto kind = "autoregressive";

  /// Texts and lists of texts may be parents.
  template <class... Parents>
  static constexpr bool accepts = (detail::made_of_tokens<Parents> && ...);

  /// Everything but how values are drawn.
  static std::string settings(options const& o) {
    return "begin " + std::to_string(o.begin) + ", separator " + std::to_string(o.separator) + ", end " +
           std::to_string(o.end);
  }

  /// log p(value | parents), [rows].
  /// \throws error if a value holds `begin`, `end`, nothing or, being a list, `separator`, a token lies
  /// outside the vocabulary or a sequence exceeds the context.
  template <class Backend, class T, class... Parents>
  static variable<Backend, widened<T>> log_prob(tape<Backend, T>& tape, auto& model, options const& settings,
                                                std::span<scored_row<Value, Parents...> const> rows) {
    std::vector<detail::token_list> inputs;
    std::vector<std::int32_t> positions;
    std::vector<std::int32_t> targets;
    std::vector<index_t> lengths;
    std::int32_t begin = 0;
    for (auto const& row : rows) {
      auto sequence = prompt_of<Parents...>(settings, row.parents);
      auto const prompt_length = static_cast<std::int32_t>(sequence.size());
      detail::append_tokens(sequence, *row.value, settings.separator);
      check_value(settings, *row.value,
                  std::span(std::as_const(sequence)).subspan(static_cast<std::size_t>(prompt_length)));
      targets.insert(targets.end(), sequence.begin() + prompt_length, sequence.end());
      targets.push_back(settings.end);
      auto const length = static_cast<std::int32_t>(sequence.size());
      for (auto i = prompt_length - 1; i < length; ++i) positions.push_back(begin + i);
      lengths.push_back(length - prompt_length + 1);
      begin += length;
      inputs.push_back(std::move(sequence));
    }
    auto const scored = static_cast<index_t>(targets.size());
    auto const hidden = model.hidden(tape, pack_tokens<Backend>(inputs));
    auto const states =
        embedding(tape, hidden, tensor<Backend, std::int32_t>::from_host({scored}, positions));
    auto const tokens = head_log_prob(tape, states, model.head(tape),
                                      tensor<Backend, std::int32_t>::from_host({scored}, targets));
    return segment_sum(tape, tokens, pack_lengths<Backend>(lengths));
  }

  /// Draws a value for each request; a value that does not parse (no `end`, the wrong number of list
  /// elements, an empty one, a special token) is drawn again up to `retries` times with fresh randomness,
  /// then returned empty and marked invalid.
  template <class... Parents>
  static drawn<Value> sample(auto& model, options const& settings,
                             std::span<drawn_request<Parents...> const> requests) {
    drawn<Value> result;
    result.values.resize(requests.size());
    result.valid.assign(requests.size(), false);
    for (int attempt = 0; attempt <= settings.retries; ++attempt) {
      std::vector<std::size_t> open;
      std::vector<detail::token_list> prompts;
      std::vector<draw_key> keys;
      for (std::size_t i = 0; i < requests.size(); ++i) {
        if (result.valid[i]) continue;
        open.push_back(i);
        prompts.push_back(prompt_of<Parents...>(settings, requests[i].parents));
        keys.push_back(requests[i].key);
        keys.back().draw += static_cast<std::uint32_t>(attempt);
      }
      if (open.empty()) break;
      if (attempt > 0) result.retries += static_cast<index_t>(open.size());
      auto const outputs = sample_tokens(model, prompts, settings.end, settings.sampling, keys);
      for (std::size_t i = 0; i < open.size(); ++i) {
        auto& value = result.values[open[i]];
        auto tokens = std::span(outputs[i].tokens);
        if (outputs[i].ended) tokens = tokens.first(tokens.size() - 1);
        result.valid[open[i]] = outputs[i].ended && parse(settings, tokens, value);
        if (!result.valid[open[i]]) value = {};
      }
    }
    return result;
  }

 private:
  template <class... Parents>
  static detail::token_list prompt_of(options const& settings,
                                      std::tuple<typename Parents::type const*...> const& parents) {
    detail::token_list prompt{settings.begin};
    std::apply(
        [&](auto const*... parent) {
          ((detail::append_tokens(prompt, *parent, settings.separator), prompt.push_back(settings.separator)),
           ...);
        },
        parents);
    return prompt;
  }

  static bool holds(std::span<std::int32_t const> tokens, std::int32_t token) {
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
  }

  /// Reads what was drawn up to its `end`: false if it is no value.
  static bool parse(options const& settings, std::span<std::int32_t const> tokens,
                    typename Value::type& value) {
    return !holds(tokens, settings.begin) && !holds(tokens, settings.end) &&
           detail::parse_tokens(tokens, value, settings.separator);
  }

  static void check_value(options const& settings, typename Value::type const& value,
                          std::span<std::int32_t const> tokens) {
    typename Value::type parsed;
    if (!parse(settings, tokens, parsed) || parsed != value)
      fail({"autoregressive node", "a value of " + std::to_string(tokens.size()) + " tokens",
            holds(tokens, settings.begin) || holds(tokens, settings.end)
                ? "the value holds the begin or the end token"
                : "an element is empty or holds the separator, so that the tokens do not parse back to the "
                  "value",
            "Leave special tokens out of texts and give every list all its elements"});
  }
};

}  // namespace sysdpo
