#include "sysdpo/model/unet.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu.hpp"

using sysdpo::cpu;
using sysdpo::index_t;
using test::random_tensor;
using model = sysdpo::unet_model<cpu, sysdpo::precision<double>>;
using steps = sysdpo::tensor<cpu, std::int32_t>;

namespace {

sysdpo::unet_config tiny() {
  return {.in_channels = 2,
          .out_channels = 1,
          .sample_size = 4,
          .block_out_channels = {4, 6},
          .cross_attention = {false, true},
          .layers_per_block = 1,
          .heads = 2,
          .norm_groups = 2,
          .caption_encoder = {
              .vocabulary = 7, .hidden = 4, .layers = 1, .heads = 2, .intermediate = 6, .context = 4}};
}

/// Every weight random, so that no branch is zero.
void randomize(model& unet) {
  unsigned seed = 100;
  for (auto& weight : unet.parameters()) {
    auto const values = random_tensor(weight.value.extents(), seed++, 0.4);
    cpu::copy(weight.value.data(), values.data(), values.bytes());
  }
}

sysdpo::packed_tokens<cpu> captions(std::vector<std::vector<std::int32_t>> const& tokens) {
  return sysdpo::pack_tokens<cpu>(tokens);
}

}  // namespace

TEST_CASE("the UNet has the gradients of finite differences in every weight", "[model]") {
  model unet(tiny());
  randomize(unet);
  auto const text = captions({{1, 2, 3}, {6}});
  auto const z = random_tensor({2, 4, 4, 2}, 1);
  auto const t = steps::from_host({2}, std::vector<std::int32_t>{3, 70});
  auto const upstream = random_tensor({2, 4, 4, 1}, 2);
  auto const loss = [&] {
    test::tape tape(sysdpo::recording::off);
    auto const y = unet.predict(tape, z, t, unet.encode(tape, text), text.sequences).value();
    double sum = 0;
    for (index_t i = 0; i < y.size(); ++i) sum += upstream.data()[i] * y.data()[i];
    return sum;
  };

  sysdpo::gradient_slot<cpu, double> slot;
  test::tape tape;
  auto const y = unet.predict(tape, tape.watch(z, slot), t, unet.encode(tape, text), text.sequences);
  tape.backward(y, upstream);

  auto const check = [&](std::string const& name, double& element, double analytic) {
    auto const original = element;
    double const step = 1e-5;
    element = original + step;
    auto const above = loss();
    element = original - step;
    auto const below = loss();
    element = original;
    auto const numeric = (above - below) / (2 * step);
    INFO(name << ": analytic " << analytic << ", numeric " << numeric);
    REQUIRE(std::abs(analytic - numeric) <= 2e-6 * (1 + std::abs(numeric)));
  };
  for (auto& weight : unet.parameters()) {
    INFO(weight.name);
    REQUIRE(weight.gradient.filled);
    for (index_t i = 0; i < weight.value.size(); i += 1 + weight.value.size() / 24)
      check(weight.name, weight.value.data()[i], weight.gradient.value.data()[i]);
  }
  for (index_t i = 0; i < z.size(); ++i) check("z", z.data()[i], slot.value.data()[i]);
}

TEST_CASE("a UNet with checkpoints has the same bits and holds less", "[model]") {
  auto config = tiny();
  config.sample_size = 8;
  config.layers_per_block = 2;
  config.cross_attention = {true, true};
  config.pooled_caption = GENERATE(true, false);
  config.caption_encoder.layers = 3;
  auto const text = captions({{1, 2, 3}, {6}, {4, 5, 1, 0}});
  auto const z = random_tensor({3, 8, 8, 2}, 1);
  auto const t = steps::from_host({3}, std::vector<std::int32_t>{3, 70, 20});
  auto const upstream = random_tensor({3, 8, 8, 1}, 2);
  struct outcome {
    std::vector<std::vector<double>> bits;
    std::size_t peak;
  };
  auto const run = [&](bool checkpoints) {
    model unet(config);
    randomize(unet);
    unet.checkpoint_activations(checkpoints);
    CHECK(unet.checkpoint_activations() == checkpoints);
    test::tape tape;
    sysdpo::gradient_slot<cpu, double> slot;
    outcome made{};
    for (int pass = 0; pass < 2; ++pass) {
      auto const held = cpu::memory().bytes_in_use();
      cpu::memory().reset_peak();
      auto const y = unet.predict(tape, tape.watch(z, slot), t, unet.encode(tape, text), text.sequences);
      made.bits.push_back(y.value().to_host());
      tape.backward(y, upstream);
      made.peak = cpu::memory().peak_bytes() - held;
    }
    made.bits.push_back(slot.value.to_host());
    for (auto const& weight : unet.parameters()) {
      CHECK(weight.gradient.filled);
      made.bits.push_back(weight.gradient.value.to_host());
    }
    return made;
  };
  auto const plain = run(false);
  auto const saving = run(true);
  CHECK(saving.bits == plain.bits);
  CHECK(saving.peak * 2 < plain.peak);
}

TEST_CASE("the UNet's rows do not see each other", "[model]") {
  model unet(tiny());
  randomize(unet);
  auto const z = random_tensor({2, 4, 4, 2}, 1);
  test::tape tape(sysdpo::recording::off);
  auto const both = captions({{1, 2}, {6, 0, 5}});
  auto const t = steps::from_host({2}, std::vector<std::int32_t>{3, 70});
  auto const together = unet.predict(tape, z, t, unet.encode(tape, both), both.sequences).value();
  auto const one = captions({{6, 0, 5}});
  auto const alone =
      unet.predict(tape, z.slice(1, 2), t.slice(1, 2), unet.encode(tape, one), one.sequences).value();
  for (index_t i = 0; i < alone.size(); ++i)
    REQUIRE(alone.data()[i] == Approx(together.data()[alone.size() + i]).margin(1e-12));
}

TEST_CASE("the UNet starts with a prediction of zero and has the names of diffusers", "[model]") {
  auto config = tiny();
  config.cross_attention = {true, false};
  config.layers_per_block = 2;
  model unet(config, 7);
  test::tape tape(sysdpo::recording::off);
  auto const text = captions({{1}});
  auto const t = steps::from_host({1}, std::vector<std::int32_t>{5});
  auto const y =
      unet.predict(tape, random_tensor({1, 8, 8, 2}, 1), t, unet.encode(tape, text), text.sequences).value();
  REQUIRE(y.extents() == sysdpo::shape{1, 8, 8, 1});
  for (index_t i = 0; i < y.size(); ++i) REQUIRE(y.data()[i] == 0.0);

  for (auto const* name :
       {"conv_in.weight", "time_embedding.linear_2.bias", "down_blocks.0.resnets.1.time_emb_proj.weight",
        "down_blocks.0.attentions.1.transformer_blocks.0.attn2.to_k.weight",
        "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj.bias",
        "down_blocks.0.downsamplers.0.conv.weight", "down_blocks.1.resnets.0.conv_shortcut.weight",
        "mid_block.attentions.0.proj_in.weight", "mid_block.resnets.1.norm2.bias",
        "up_blocks.0.resnets.2.conv_shortcut.weight", "up_blocks.0.upsamplers.0.conv.bias",
        "up_blocks.1.attentions.2.transformer_blocks.0.attn1.to_out.0.bias", "conv_norm_out.weight",
        "conv_out.bias", "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.weight",
        "text_encoder.text_model.embeddings.position_embedding.weight"}) {
    INFO(name);
    REQUIRE(unet.parameters().find(name) != nullptr);
  }
  REQUIRE(unet.parameters().find("up_blocks.1.upsamplers.0.conv.weight") == nullptr);
  REQUIRE(unet.parameters().find("down_blocks.1.downsamplers.0.conv.weight") == nullptr);
  REQUIRE(unet.parameters().find("up_blocks.1.resnets.0.conv1.weight")->value.extents() ==
          sysdpo::shape{4, 10, 3, 3});
}

TEST_CASE("a frozen UNet records nothing for its frozen parts", "[model]") {
  model unet(tiny());
  randomize(unet);
  unet.parameters().set_trainable(false);
  auto const text = captions({{1, 2, 3}});
  test::tape tape;
  auto const t = steps::from_host({1}, std::vector<std::int32_t>{5});
  auto const y =
      unet.predict(tape, random_tensor({1, 4, 4, 2}, 1), t, unet.encode(tape, text), text.sequences);
  REQUIRE_FALSE(y.wants_gradient());
}

TEST_CASE("the UNet refuses what it cannot draw", "[model]") {
  model unet(tiny());
  test::tape tape(sysdpo::recording::off);
  auto const text = captions({{1, 2}});
  auto const condition = unet.encode(tape, text);
  auto const t = steps::from_host({1}, std::vector<std::int32_t>{5});
  REQUIRE_THROWS_WITH(unet.predict(tape, random_tensor({1, 5, 4, 2}, 1), t, condition, text.sequences),
                      Catch::Contains("[1, 5, 4, 2]"));
  REQUIRE_THROWS_WITH(unet.predict(tape, random_tensor({2, 4, 4, 2}, 1), t, condition, text.sequences),
                      Catch::Contains("2 images"));
  auto const two = steps::from_host({2}, std::vector<std::int32_t>{5, 6});
  REQUIRE_THROWS_WITH(unet.predict(tape, random_tensor({2, 4, 4, 2}, 1), two, condition, text.sequences),
                      Catch::Contains("1 captions"));
  REQUIRE_THROWS_WITH(unet.encode(tape, captions({{1, 2, 3, 4, 5}})), Catch::Contains("5 tokens"));
  REQUIRE_THROWS_WITH(unet.encode(tape, captions({{7}})), Catch::Contains("7"));
  auto config = tiny();
  config.norm_groups = 4;
  REQUIRE_THROWS_WITH(model(config), Catch::Contains("norm_groups"));
  config = tiny();
  config.sample_size = 5;
  REQUIRE_THROWS_WITH(model(config), Catch::Contains("sample_size = 5"));
}
