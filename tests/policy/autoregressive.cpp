#include "sysdpo/policy/autoregressive.hpp"

#include <map>

#include "support/catch.hpp"
#include "sysdpo/backend/cpu.hpp"
#include "sysdpo/model/transformer.hpp"

namespace {

using sysdpo::cpu;
using tokens = std::vector<std::int32_t>;
using captions = std::array<tokens, 3>;
using two_texts = sysdpo::list<sysdpo::text, 2>;
using three_texts = sysdpo::list<sysdpo::text, 3>;
struct weights;
using model_type = sysdpo::transformer_model<cpu, sysdpo::precision<double>>;
using tape_type = sysdpo::tape<cpu, double>;
template <class Value>
using policy = sysdpo::autoregressive<sysdpo::transformer<weights>, Value>;
template <class Value, class... Parents>
using row = sysdpo::scored_row<Value, Parents...>;
template <class... Parents>
using request = sysdpo::drawn_request<Parents...>;

constexpr sysdpo::autoregressive_options settings{.begin = 0, .separator = 1, .end = 2};

/// Weights large enough that tokens differ much in probability.
struct small_model : model_type {
  small_model()
      : model_type({.vocabulary = 9,
                    .hidden = 8,
                    .layers = 1,
                    .heads = 2,
                    .kv_heads = 1,
                    .intermediate = 12,
                    .context = 24},
                   3) {
    for (auto& each : parameters())
      if (each.value.extents().rank() == 2)
        for (sysdpo::index_t i = 0; i < each.value.size(); ++i) each.value.data()[i] *= 25;
  }
};

/// log p of what follows `prompt`, from the model's hidden states alone.
double naive_log_prob(model_type& model, tokens const& prompt, tokens const& value) {
  std::vector<tokens> sequences{prompt};
  sequences[0].insert(sequences[0].end(), value.begin(), value.end());
  tape_type tape(sysdpo::recording::off);
  auto const hidden = model.hidden(tape, sysdpo::pack_tokens<cpu>(sequences)).value();
  auto const head = model.head(tape).value();
  double sum = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    auto const* state = hidden.data() + (prompt.size() + i - 1) * 8;
    double normaliser = 0;
    double chosen = 0;
    for (std::int32_t token = 0; token < 9; ++token) {
      double logit = 0;
      for (int k = 0; k < 8; ++k) logit += state[k] * head.data()[token * 8 + k];
      normaliser += std::exp(logit);
      if (token == value[i]) chosen = logit;
    }
    sum += chosen - std::log(normaliser);
  }
  return sum;
}

template <class Row>
std::vector<double> log_probs(model_type& model, std::vector<Row> const& rows) {
  tape_type tape(sysdpo::recording::off);
  using policy_type =
      policy<std::conditional_t<std::is_same_v<std::remove_cvref_t<decltype(*rows[0].value)>, tokens>,
                                sysdpo::text, three_texts>>;
  return policy_type::log_prob(tape, model, settings, std::span(rows)).value().to_host();
}

}  // namespace

TEST_CASE("log p sums over the value and its end, and leaves the prompt out", "[policy]") {
  small_model model;
  tokens const question{4, 5, 4};
  tokens const other{7};
  tokens const answer{3, 8};
  tokens const longer{6, 6, 5, 3, 7};
  captions const list{tokens{3, 4}, tokens{5}, tokens{6, 3}};

  std::vector<row<sysdpo::text, sysdpo::text>> const one_parent{{.value = &answer, .parents = {&question}},
                                                                {.value = &longer, .parents = {&other}}};
  auto const of_texts = log_probs(model, one_parent);
  REQUIRE(of_texts.size() == 2);
  CHECK(of_texts[0] == Approx(naive_log_prob(model, {0, 4, 5, 4, 1}, {3, 8, 2})).epsilon(1e-12));
  CHECK(of_texts[1] == Approx(naive_log_prob(model, {0, 7, 1}, {6, 6, 5, 3, 7, 2})).epsilon(1e-12));

  std::vector<row<three_texts, sysdpo::text>> const makes_list{{.value = &list, .parents = {&question}}};
  CHECK(log_probs(model, makes_list)[0] ==
        Approx(naive_log_prob(model, {0, 4, 5, 4, 1}, {3, 4, 1, 5, 1, 6, 3, 2})).epsilon(1e-12));

  std::vector<row<sysdpo::text, sysdpo::text, three_texts>> const two_parents{
      {.value = &answer, .parents = {&other, &list}}};
  CHECK(log_probs(model, two_parents)[0] ==
        Approx(naive_log_prob(model, {0, 7, 1, 3, 4, 1, 5, 1, 6, 3, 1}, {3, 8, 2})).epsilon(1e-12));

  std::vector<row<sysdpo::text>> const no_parent{{.value = &answer}};
  CHECK(log_probs(model, no_parent)[0] == Approx(naive_log_prob(model, {0}, {3, 8, 2})).epsilon(1e-12));
}

TEST_CASE("log p has the gradients of finite differences", "[policy]") {
  small_model model;
  tokens const question{4, 5};
  captions const list{tokens{3, 4}, tokens{5}, tokens{6}};
  std::vector<row<three_texts, sysdpo::text>> const rows{{.value = &list, .parents = {&question}}};
  tape_type tape;
  auto const y = policy<three_texts>::log_prob(tape, model, settings, std::span(rows));
  tape.backward(y, sysdpo::tensor<cpu, double>::from_host({1}, std::vector{1.0}));
  for (auto& weight : model.parameters())
    for (sysdpo::index_t i = 0; i < weight.value.size(); i += 3) {
      auto& element = weight.value.data()[i];
      auto const original = element;
      element = original + 1e-5;
      auto const above = log_probs(model, rows)[0];
      element = original - 1e-5;
      auto const below = log_probs(model, rows)[0];
      element = original;
      INFO(weight.name << " " << i);
      REQUIRE(weight.gradient.value.data()[i] == Approx((above - below) / 2e-5).epsilon(1e-5).margin(1e-6));
    }
}

TEST_CASE("values that would not read back are refused", "[policy]") {
  small_model model;
  tokens const question{4};
  auto const score = [&](auto const& value) {
    using value_type = std::conditional_t<std::is_same_v<std::remove_cvref_t<decltype(value)>, tokens>,
                                          sysdpo::text, three_texts>;
    return log_probs(model,
                     std::vector<row<value_type, sysdpo::text>>{{.value = &value, .parents = {&question}}});
  };
  CHECK_THROWS_WITH(score(tokens{3, 2}), Catch::Contains("the end token"));
  CHECK_THROWS_WITH(score(tokens{0, 3}), Catch::Contains("begin"));
  CHECK_THROWS_WITH(score(tokens{}), Catch::Contains("empty"));
  CHECK_NOTHROW(score(tokens{3, 1}));  // a single text needs no separator, so it may hold the token
  CHECK_THROWS_WITH(score(captions{tokens{3}, tokens{4, 1}, tokens{5}}), Catch::Contains("separator"));
  CHECK_THROWS_WITH(score(captions{tokens{3}, tokens{4}, tokens{5, 2}}), Catch::Contains("the end token"));
  CHECK_THROWS_WITH(score(captions{tokens{3}, tokens{4}, tokens{5, 0}}), Catch::Contains("begin"));
  CHECK_THROWS_WITH(score(captions{tokens{3}, tokens{4}, tokens{}}), Catch::Contains("empty"));
  CHECK_THROWS_WITH(score(tokens{3, 9}), Catch::Contains("vocabulary"));
  CHECK_THROWS_WITH(score(tokens{-1}), Catch::Contains("vocabulary"));
  CHECK_THROWS_WITH(score(tokens(30, 4)), Catch::Contains("context"));
}

TEST_CASE("lists are joined by separators and read back only whole", "[policy]") {
  captions const list{tokens{3, 4}, tokens{5}, tokens{6, 3, 3}};
  tokens joined;
  sysdpo::detail::append_tokens(joined, list, 1);
  CHECK(joined == tokens{3, 4, 1, 5, 1, 6, 3, 3});
  captions read;
  CHECK(sysdpo::detail::parse_tokens(joined, read, 1));
  CHECK(read == list);
  for (auto const& malformed : {tokens{}, tokens{3}, tokens{3, 1, 4}, tokens{3, 1, 4, 1}, tokens{1, 3, 1, 4},
                                tokens{3, 1, 1, 4}, tokens{3, 1, 4, 1, 5, 1, 6}, tokens{3, 1, 4, 1, 5, 1}})
    CHECK_FALSE(sysdpo::detail::parse_tokens(malformed, read, 1));
}

namespace {

/// Continues a prompt that starts `begin, word` with the script of (word, attempt), where making a cache is
/// an attempt.
struct scripted {
  using backend_type = cpu;
  struct place {
    std::int32_t word = -1;
    std::size_t next = 0;
  };
  using cache = std::vector<place>;

  std::map<std::int32_t, std::vector<tokens>> scripts;
  std::size_t attempts = 0;

  cache make_cache(sysdpo::index_t rows) {
    ++attempts;
    return cache(static_cast<std::size_t>(rows));
  }
  [[nodiscard]] sysdpo::tensor<cpu, float> extend(cache& rows,
                                                  sysdpo::packed_tokens<cpu> const& added) const {
    std::vector<float> logits(rows.size() * 9, -100.0F);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].word < 0) rows[i].word = added.ids.data()[added.sequences.offsets.data()[i] + 1];
      auto const& script = scripts.at(rows[i].word)[attempts - 1];
      logits[i * 9 + static_cast<std::size_t>(script[std::min(rows[i].next++, script.size() - 1)])] = 0;
    }
    return sysdpo::tensor<cpu, float>::from_host({static_cast<sysdpo::index_t>(rows.size()), 9}, logits);
  }
};

}  // namespace

TEST_CASE("malformed values are drawn again, and given up after the last retry", "[policy]") {
  scripted model{{{3, {{5, 1, 6, 1, 7, 2}}},                                          // good at once
                  {4, {{5, 1, 6, 2}, {5, 1, 6, 1, 7, 1, 8, 2}, {5, 1, 6, 1, 8, 2}}},  // good at last
                  {5, {{5, 1, 1, 7, 2}, {2}, {5, 5, 5}}},           // an empty element, nothing, no end
                  {6, {{5, 1, 0, 1, 7, 2}, {5, 1, 6, 1, 7, 2}}}}};  // a begin token
  std::array<tokens, 4> const words{tokens{3}, tokens{4}, tokens{5}, tokens{6}};
  std::vector<request<sysdpo::text>> requests;
  for (auto const& word : words) requests.push_back({.parents = {&word}});
  auto options = settings;
  options.sampling = {.greedy = true, .max_new_tokens = 10};
  options.retries = 2;
  auto const drawn = policy<three_texts>::sample(model, options, std::span(std::as_const(requests)));
  CHECK(drawn.valid == std::vector{true, true, false, true});
  CHECK(drawn.values[0] == captions{tokens{5}, tokens{6}, tokens{7}});
  CHECK(drawn.values[1] == captions{tokens{5}, tokens{6}, tokens{8}});
  CHECK(drawn.values[2] == captions{});
  CHECK(drawn.values[3] == captions{tokens{5}, tokens{6}, tokens{7}});
  CHECK(model.attempts == 3);
  CHECK(drawn.retries == 3 + 2);

  model.attempts = 0;
  options.retries = 0;
  auto const once = policy<three_texts>::sample(model, options, std::span(std::as_const(requests)));
  CHECK(once.valid == std::vector{true, false, false, false});
  CHECK(once.retries == 0);
}

TEST_CASE("a drawn value follows from its key, whatever else is drawn and retried", "[policy]") {
  small_model model;
  auto options = settings;
  options.sampling = {.temperature = 6, .max_new_tokens = 12};
  options.retries = 3;
  tokens const question{4, 5};
  std::vector<request<sysdpo::text>> requests;
  for (std::uint64_t i = 0; i < 60; ++i)
    requests.push_back({.parents = {&question}, .key = {.seed = 1, .pair = i}});
  auto const all = policy<two_texts>::sample(model, options, std::span(std::as_const(requests)));
  auto const count = std::count(all.valid.begin(), all.valid.end(), true);
  REQUIRE(count > 3);
  REQUIRE(count < 60);
  REQUIRE(all.retries > 0);
  sysdpo::index_t retries = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto const alone =
        policy<two_texts>::sample(model, options, std::span(std::as_const(requests)).subspan(i, 1));
    CHECK(alone.values[0] == all.values[i]);
    CHECK(alone.valid[0] == all.valid[i]);
    retries += alone.retries;
  }
  CHECK(retries == all.retries);

  for (auto& one : requests) one.key.seed = 2;
  auto const other = policy<two_texts>::sample(model, options, std::span(std::as_const(requests)));
  CHECK(other.values != all.values);

  // What was valid at once stays so when more retries are allowed; what was not is drawn afresh.
  options.retries = 0;
  auto const first = policy<two_texts>::sample(model, options, std::span(std::as_const(requests)));
  CHECK(std::count(first.valid.begin(), first.valid.end(), true) <
        std::count(other.valid.begin(), other.valid.end(), true));
  for (std::size_t i = 0; i < requests.size(); ++i)
    if (first.valid[i]) CHECK(first.values[i] == other.values[i]);
}
