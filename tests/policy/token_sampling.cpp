#include "sysdpo/policy/token_sampling.hpp"

#include <map>

#include "support/finite_difference.hpp"
#include "support/transformer_ops.hpp"
#include "sysdpo/model/transformer.hpp"

using sysdpo::cpu;
using sysdpo::draw_key;
using sysdpo::token_chooser;
using sysdpo::token_sampling;
using sequences = std::vector<std::vector<std::int32_t>>;

namespace {

/// A Markov chain: the logits of the next token are a row of a table, chosen by the last token.
struct chain {
  using backend_type = cpu;
  using cache = std::vector<std::int32_t>;

  std::vector<std::vector<float>> table;

  [[nodiscard]] cache make_cache(sysdpo::index_t rows) const { return cache(static_cast<std::size_t>(rows)); }
  sysdpo::tensor<cpu, float> extend(cache& last, sysdpo::packed_tokens<cpu> const& tokens) const {
    std::vector<float> logits;
    for (std::size_t row = 0; row < last.size(); ++row) {
      auto const* offsets = tokens.sequences.offsets.data() + row;
      if (offsets[1] > offsets[0]) last[row] = tokens.ids.data()[offsets[1] - 1];
      auto const& found = table[static_cast<std::size_t>(last[row])];
      logits.insert(logits.end(), found.begin(), found.end());
    }
    return sysdpo::tensor<cpu, float>::from_host({static_cast<sysdpo::index_t>(last.size()), 4}, logits);
  }
};

chain const example{{{0, 1, 2, -1}, {1, 0, 0, 1}, {0.5, -2, 1, 0}, {0, 0, 0, 0}}};

std::vector<draw_key> keys_of(std::size_t rows) {
  std::vector<draw_key> keys;
  for (std::size_t row = 0; row < rows; ++row) keys.push_back({.seed = 1, .pair = row});
  return keys;
}

std::vector<double> softmax(std::vector<float> const& logits, double temperature) {
  std::vector<double> p;
  double sum = 0;
  for (auto const logit : logits) sum += p.emplace_back(std::exp(static_cast<double>(logit) / temperature));
  for (auto& value : p) value /= sum;
  return p;
}

/// Which tokens are ever chosen, over a fine grid of quantiles, and how often.
std::map<std::int32_t, int> support(std::vector<float> const& logits, token_sampling const& options) {
  token_chooser choose(options);
  std::map<std::int32_t, int> counts;
  for (int i = 0; i < 1000; ++i) ++counts[choose(std::span<float const>(logits), (i + 0.5) / 1000)];
  return counts;
}

}  // namespace

TEST_CASE("drawn tokens are distributed as the model says", "[policy]") {
  double const temperature = GENERATE(1.0, 0.7);
  std::size_t const rows = 4000;
  auto const drawn = sysdpo::sample_tokens(example, sequences(rows, {0}), -1,
                                           {.temperature = temperature, .max_new_tokens = 2}, keys_of(rows));
  auto const first = softmax(example.table[0], temperature);
  double statistic = 0;  // χ² of pairs of tokens: 15 degrees of freedom
  for (std::int32_t a = 0; a < 4; ++a)
    for (std::int32_t b = 0; b < 4; ++b) {
      auto const expected =
          static_cast<double>(rows) * first[static_cast<std::size_t>(a)] *
          softmax(example.table[static_cast<std::size_t>(a)], temperature)[static_cast<std::size_t>(b)];
      auto const found = std::count_if(drawn.begin(), drawn.end(), [&](auto const& row) {
        return row.tokens == std::vector<std::int32_t>{a, b};
      });
      statistic += std::pow(static_cast<double>(found) - expected, 2) / expected;
    }
  REQUIRE(statistic < 37.7);  // the 99.9% quantile
}

TEST_CASE("top_k and top_p keep the most probable tokens in their proportions", "[policy]") {
  std::vector<float> const logits{std::log(0.1F), std::log(0.4F), std::log(0.2F), std::log(0.3F)};
  REQUIRE(support(logits, {}) == std::map<std::int32_t, int>{{0, 100}, {1, 400}, {2, 200}, {3, 300}});
  REQUIRE(support(logits, {.top_k = 1}) == std::map<std::int32_t, int>{{1, 1000}});
  auto const two = support(logits, {.top_k = 2});
  REQUIRE(two.size() == 2);
  REQUIRE(two.at(1) == Approx(571).margin(1));
  REQUIRE(two.at(3) == Approx(429).margin(1));
  REQUIRE(support(logits, {.top_k = 9}).size() == 4);
  REQUIRE(support(logits, {.top_p = 0.39}).size() == 1);
  REQUIRE(support(logits, {.top_p = 0.41}).size() == 2);
  REQUIRE(support(logits, {.top_p = 0.71}).size() == 3);
  REQUIRE(support(logits, {.top_p = 1e-9}) == std::map<std::int32_t, int>{{1, 1000}});
  REQUIRE(support(logits, {.top_k = 2, .top_p = 0.58}).size() ==
          2);  // of the two's 0.7, 0.4 is less than 0.58
  REQUIRE(support(logits, {.top_k = 2, .top_p = 0.56}).size() == 1);
  REQUIRE(support({0, 0, 0, 0}, {.top_k = 2}) == std::map<std::int32_t, int>{{0, 500}, {1, 500}});
}

TEST_CASE("a token that cannot occur is never chosen", "[policy]") {
  auto const never = -std::numeric_limits<float>::infinity();
  token_chooser choose({});
  std::vector<float> const logits{never, 0, never};
  for (double const quantile : {1e-300, 0.5, std::nextafter(1.0, 0.0)})
    REQUIRE(choose(std::span<float const>(logits), quantile) == 1);
}

TEST_CASE("greedy sampling takes the most probable token and stops at the end token", "[policy]") {
  // 0 → 2 → 2 → …; from 1, tokens 0 and 3 tie and the first wins.
  auto const rows = sysdpo::sample_tokens(example, sequences{{0}, {1}, {3, 1}}, 2,
                                          {.greedy = true, .max_new_tokens = 5}, keys_of(3));
  REQUIRE(rows[0].tokens == std::vector<std::int32_t>{2});
  REQUIRE(rows[0].ended);
  REQUIRE(rows[1].tokens == std::vector<std::int32_t>{0, 2});
  REQUIRE(rows[2].tokens == rows[1].tokens);
  auto const cut =
      sysdpo::sample_tokens(example, sequences{{0}}, 1, {.greedy = true, .max_new_tokens = 3}, keys_of(1));
  REQUIRE(cut[0].tokens == std::vector<std::int32_t>{2, 2, 2});
  REQUIRE_FALSE(cut[0].ended);
}

TEST_CASE("a row's tokens do not depend on the rest of the batch", "[policy]") {
  sysdpo::transformer_model<cpu, sysdpo::precision<double>> model(
      {.vocabulary = 11, .hidden = 8, .layers = 2, .heads = 2, .kv_heads = 1, .intermediate = 12}, 7);
  for (auto& weight : model.parameters())
    if (weight.value.extents().rank() == 2)
      for (sysdpo::index_t i = 0; i < weight.value.size(); ++i) weight.value.data()[i] *= 20;
  sequences const prompts{{1, 2, 3}, {4}, {5, 6}, {1, 2, 3}};
  auto const keys = keys_of(4);
  token_sampling const options{.temperature = 1.5, .max_new_tokens = 12};
  auto const together = sysdpo::sample_tokens(model, prompts, 0, options, keys);
  REQUIRE(together[0].tokens != together[3].tokens);  // same prompt, other key
  for (std::size_t row = 0; row < prompts.size(); ++row) {
    auto const alone =
        sysdpo::sample_tokens(model, sequences{prompts[row]}, 0, options, std::vector{keys[row]});
    REQUIRE(alone[0].tokens == together[row].tokens);
    REQUIRE(alone[0].ended == together[row].ended);
  }
  auto const reversed = sysdpo::sample_tokens(model, sequences(prompts.rbegin(), prompts.rend()), 0, options,
                                              std::vector(keys.rbegin(), keys.rend()));
  for (std::size_t row = 0; row < prompts.size(); ++row)
    REQUIRE(reversed[3 - row].tokens == together[row].tokens);
}

TEST_CASE("sampling refuses what makes no distribution", "[policy]") {
  REQUIRE_THROWS_WITH(token_chooser({.temperature = 0}), Catch::Contains("temperature"));
  REQUIRE_THROWS_WITH(token_chooser({.top_k = -1}), Catch::Contains("top_k"));
  REQUIRE_THROWS_WITH(token_chooser({.top_p = 0}), Catch::Contains("top_p"));
  REQUIRE_THROWS_WITH(token_chooser({.top_p = 1.5}), Catch::Contains("top_p"));
  token_chooser choose({.greedy = true});
  std::vector<float> logits{0, std::numeric_limits<float>::quiet_NaN()};
  REQUIRE_THROWS_WITH(choose(std::span<float const>(logits), 0.5), Catch::Contains("NaN"));
  logits[1] = std::numeric_limits<float>::infinity();
  REQUIRE_THROWS_WITH(choose(std::span<float const>(logits), 0.5), Catch::Contains("infinity"));
  REQUIRE_THROWS_WITH(sysdpo::sample_tokens(example, sequences{{0}, {}}, 0, {}, keys_of(2)),
                      Catch::Contains("prompt 1"));
  REQUIRE_THROWS_WITH(sysdpo::sample_tokens(example, sequences{{0}}, 0, {}, keys_of(2)),
                      Catch::Contains("2 keys"));
}

TEST_CASE("a token of probability 1e-7 is drawn neither too often nor never", "[policy]") {
  // The first number under this key is 8.6e-8: 23 bits would make it less than any probability of interest.
  std::vector<draw_key> const key{{.seed = 1, .pair = 19234088}};
  auto const first_token = [&](double probability) {
    chain const rare{
        {std::vector<float>{static_cast<float>(std::log(probability / (1 - probability))), 0, -200, -200}}};
    return sysdpo::sample_tokens(rare, sequences{{0}}, -1, {.max_new_tokens = 1}, key)[0].tokens[0];
  };
  REQUIRE(first_token(8e-8) == 1);
  REQUIRE(first_token(9e-8) == 0);
}
