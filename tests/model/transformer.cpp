#include "sysdpo/model/transformer.hpp"

#include "support/finite_difference.hpp"
#include "support/transformer_ops.hpp"

using sysdpo::cpu;
using sysdpo::index_t;
using model_type = sysdpo::transformer_model<cpu, sysdpo::precision<double>>;
using sequences = std::vector<std::vector<std::int32_t>>;

namespace {

sysdpo::transformer_config tiny() {
  return {.vocabulary = 7,
          .hidden = 8,
          .layers = 2,
          .heads = 4,
          .kv_heads = 2,
          .intermediate = 6,
          .context = 64,
          .rope_theta = 100};
}

/// Weights large enough for every path to matter.
void enlarge(model_type& model) {
  for (auto& weight : model.parameters())
    if (weight.value.extents().rank() == 2)
      for (index_t i = 0; i < weight.value.size(); ++i) weight.value.data()[i] *= 25;
}

std::vector<double> logits(model_type& model, sequences const& tokens) {
  test::tape tape(sysdpo::recording::off);
  return sysdpo::linear(tape, model.hidden(tape, sysdpo::pack_tokens<cpu>(tokens)), model.head(tape))
      .value()
      .to_host();
}

}  // namespace

TEST_CASE("a whole transformer has the gradients of finite differences", "[model]") {
  auto config = tiny();
  SECTION("causal, tied head") {}
  SECTION("causal, own head") { config.tied_head = false; }
  SECTION("not causal") { config.causal = false; }
  model_type model(config, 3);
  enlarge(model);
  auto const tokens = sysdpo::pack_tokens<cpu>(sequences{{1, 2, 3, 2}, {}, {6}, {0, 5}});
  auto const targets =
      sysdpo::tensor<cpu, std::int32_t>::from_host({7}, std::vector<std::int32_t>{2, 3, 2, 0, 1, 5, 6});
  auto const upstream = test::random_tensor({7}, 4);
  auto const loss = [&](test::tape& tape) {
    return sysdpo::head_log_prob(tape, model.hidden(tape, tokens), model.head(tape), targets);
  };
  auto const evaluate = [&] {
    test::tape tape(sysdpo::recording::off);
    auto const y = loss(tape);
    double sum = 0;
    for (index_t i = 0; i < y.value().size(); ++i) sum += upstream.data()[i] * y.value().data()[i];
    return sum;
  };
  test::tape tape;
  tape.backward(loss(tape), upstream);
  for (auto& weight : model.parameters()) {
    REQUIRE(weight.gradient.filled);
    for (index_t i = 0; i < weight.value.size(); ++i) {
      auto& element = weight.value.data()[i];
      auto const original = element;
      element = original + 1e-5;
      auto const above = evaluate();
      element = original - 1e-5;
      auto const below = evaluate();
      element = original;
      auto const numeric = (above - below) / 2e-5;
      INFO(weight.name << " element " << i);
      REQUIRE(weight.gradient.value.data()[i] == Approx(numeric).epsilon(1e-5).margin(1e-6));
    }
  }
}

TEST_CASE("a transformer with checkpoints has the same bits and holds less", "[model]") {
  auto config = tiny();
  config.layers = 6;
  config.context = 256;
  bool const embeddings_are_frozen = GENERATE(true, false);
  auto const sequence = [](std::int32_t length, std::int32_t first) {
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(length));
    for (std::int32_t i = 0; i < length; ++i) tokens[static_cast<std::size_t>(i)] = (first + i * i) % 7;
    return tokens;
  };
  auto const tokens = sysdpo::pack_tokens<cpu>(sequences{sequence(200, 1), {}, sequence(100, 4)});
  auto const upstream = test::random_tensor({300, 8}, 4);
  struct outcome {
    std::vector<std::vector<double>> bits;
    std::size_t peak;
  };
  auto const run = [&](bool checkpoints) {
    model_type model(config, 3);
    enlarge(model);
    if (embeddings_are_frozen) model.parameters().set_trainable(false, "model.embed_tokens");
    model.checkpoint_activations(checkpoints);
    CHECK(model.checkpoint_activations() == checkpoints);
    test::tape tape;
    outcome made{};
    for (int pass = 0; pass < 2; ++pass) {
      auto const held = cpu::memory().bytes_in_use();
      cpu::memory().reset_peak();
      {
        auto hidden = model.hidden(tape, tokens);
        made.bits.push_back(hidden.value().to_host());
        sysdpo::gradient_of const root(hidden);
        hidden = {};
        tape.backward(root, upstream.const_view());
      }
      made.peak = cpu::memory().peak_bytes() - held;
    }
    for (auto const& weight : model.parameters()) {
      CHECK(weight.gradient.filled == weight.trainable);
      made.bits.push_back(weight.gradient.value.to_host());
    }
    return made;
  };
  auto const plain = run(false);
  auto const saving = run(true);
  CHECK(saving.bits == plain.bits);
  CHECK(saving.peak * 2 < plain.peak);
}

TEST_CASE("a cache gives the logits of whole sequences", "[model]") {
  auto config = tiny();
  config.tied_head = GENERATE(true, false);
  model_type model(config, 5);
  enlarge(model);
  model.checkpoint_activations(true);  // which sampling takes no notice of
  auto cache = model.make_cache(3);
  sequences whole(3);
  std::vector<sequences> const steps{
      {{1, 2, 3}, {}, {4}},
      {{5}, {6, 0}, {}},
      {{}, {}, {}},
      {std::vector<std::int32_t>(40, 3), {1}, {2}},  // outgrows the first capacity
      {{2}, {2, 2, 2}, {}}};
  for (auto const& step : steps) {
    auto const found = model.extend(cache, sysdpo::pack_tokens<cpu>(step));
    REQUIRE(found.extents() == sysdpo::shape{3, 7});
    std::size_t end = 0;
    for (std::size_t row = 0; row < 3; ++row)
      whole[row].insert(whole[row].end(), step[row].begin(), step[row].end());
    auto const expected = logits(model, whole);
    for (std::size_t row = 0; row < 3; ++row) {
      end += whole[row].size();
      for (std::size_t i = 0; i < 7; ++i) {
        auto const value = found.data()[row * 7 + i];
        if (whole[row].empty())
          REQUIRE(value == 0);
        else
          REQUIRE(value == Approx(expected[(end - 1) * 7 + i]).epsilon(1e-9).margin(1e-9));
      }
    }
  }
}

TEST_CASE("a causal transformer does not look ahead, another does", "[model]") {
  auto config = tiny();
  config.causal = GENERATE(true, false);
  model_type model(config, 6);
  enlarge(model);
  auto const first = logits(model, {{1, 2, 3}, {4, 5}});
  auto const second = logits(model, {{1, 2, 6}, {4, 5}});
  bool const same = std::equal(first.begin(), first.begin() + 14, second.begin());
  REQUIRE(same == config.causal);
  REQUIRE(std::equal(first.begin() + 21, first.end(), second.begin() + 21));  // the other sequence
}

TEST_CASE("a transformer's weights carry the names and shapes of Hugging Face's Llama", "[model]") {
  auto config = tiny();
  config.tied_head = false;
  model_type model(config);
  auto const extents = [&](char const* name) {
    auto* const found = model.parameters().find(name);
    REQUIRE(found != nullptr);
    return found->value.extents();
  };
  REQUIRE(model.parameters().size() == 1 + 2 * 9 + 2);
  REQUIRE(extents("model.embed_tokens.weight") == sysdpo::shape{7, 8});
  REQUIRE(extents("model.layers.1.self_attn.q_proj.weight") == sysdpo::shape{8, 8});
  REQUIRE(extents("model.layers.1.self_attn.k_proj.weight") == sysdpo::shape{4, 8});
  REQUIRE(extents("model.layers.0.mlp.down_proj.weight") == sysdpo::shape{8, 6});
  REQUIRE(extents("model.layers.0.post_attention_layernorm.weight") == sysdpo::shape{8});
  REQUIRE(extents("lm_head.weight") == sysdpo::shape{7, 8});
}

TEST_CASE("a transformer refuses what it cannot hold", "[model]") {
  model_type model(tiny());
  test::tape tape;
  auto const hidden = [&](sequences const& tokens) {
    return model.hidden(tape, sysdpo::pack_tokens<cpu>(tokens));
  };
  REQUIRE_THROWS_WITH(hidden({{1, 2}, {3, 7}}), Catch::Contains("position 3") && Catch::Contains("id 7") &&
                                                    Catch::Contains("vocabulary of 7"));
  REQUIRE_THROWS_WITH(hidden({std::vector<std::int32_t>(65)}),
                      Catch::Contains("65 tokens") && Catch::Contains("holds 64"));
  auto cache = model.make_cache(1);
  model.extend(cache, sysdpo::pack_tokens<cpu>(sequences{std::vector<std::int32_t>(64)}));
  REQUIRE_THROWS_WITH(model.extend(cache, sysdpo::pack_tokens<cpu>(sequences{{1}})),
                      Catch::Contains("65 tokens"));
  REQUIRE_THROWS_WITH(model.extend(cache, sysdpo::pack_tokens<cpu>(sequences{{1}, {1}})),
                      Catch::Contains("1 rows"));
  REQUIRE(cache.lengths == std::vector<std::int32_t>{64});
  auto config = tiny();
  config.kv_heads = 3;
  REQUIRE_THROWS_WITH(model_type(config), Catch::Contains("kv_heads = 3"));
  config = tiny();
  config.vocabulary = 0;
  REQUIRE_THROWS_WITH(model_type(config), Catch::Contains("vocabulary = 0"));
  config = tiny();
  config.causal = false;
  REQUIRE_THROWS_WITH(model_type(config).make_cache(1), Catch::Contains("not causal"));
}
