// What `estimate` tells is what a training then takes.
#include "sysdpo/train/estimate.hpp"
#include "support/catch.hpp"
#include "sysdpo/backend/cpu.hpp"
#include "sysdpo/model/transformer.hpp"
#include "sysdpo/model/unet.hpp"
#include "sysdpo/policy/autoregressive.hpp"
#include "sysdpo/policy/denoising.hpp"

namespace {

struct prompt {
  static constexpr auto name = "prompt";
};
struct writer {
  static constexpr auto name = "writer";
};
template <int K>
struct panel {
  static constexpr auto name = "panel";
  static constexpr int index = K;
};
using author = sysdpo::autoregressive<sysdpo::transformer<writer>, sysdpo::list<sysdpo::text, 2>>;
using picture = sysdpo::image<3, 16, 16>;
struct painter_weights {
  static constexpr auto name = "painter";
};
using painter = sysdpo::denoising<sysdpo::unet<painter_weights>, picture>;
template <int K>
using illustration = sysdpo::node<panel<K>, painter, sysdpo::from<sysdpo::part<writer, K>>>;
using storybook =
    sysdpo::system<sysdpo::source<prompt, sysdpo::text>, sysdpo::node<writer, author, sysdpo::from<prompt>>,
                   illustration<0>, illustration<1>>;
using options = sysdpo::trainer_options<storybook>;

sysdpo::model_configs<storybook> sizes() {
  return {{.vocabulary = 50,
           .hidden = 32,
           .layers = 2,
           .heads = 4,
           .kv_heads = 2,
           .intermediate = 64,
           .context = 48},
          {.sample_size = 16,
           .block_out_channels = {16, 32},
           .cross_attention = {false, true},
           .heads = 2,
           .norm_groups = 8,
           .caption_encoder = {
               .vocabulary = 50, .hidden = 32, .layers = 1, .heads = 2, .intermediate = 32, .context = 20}}};
}

std::vector<sysdpo::preference<storybook>> some_pairs(std::size_t count) {
  std::vector<sysdpo::preference<storybook>> pairs(count);
  sysdpo::generator random(1);
  for (std::size_t i = 0; i < count; ++i) {
    pairs[i].id = i;
    for (auto* side : {&pairs[i].chosen, &pairs[i].rejected}) {
      sysdpo::get<prompt>(*side) = {4, 5, 6, 7};
      sysdpo::get<writer>(*side) = {std::vector<std::int32_t>(3 + random.uniform_index(3), 9), {8, 10, 12}};
      for (auto* image : {&sysdpo::get<panel<0>>(*side), &sysdpo::get<panel<1>>(*side)}) {
        std::vector<float> values(picture::size);
        for (auto& x : values) x = random.normal();
        *image = sysdpo::pixels<3, 16, 16>(values);
      }
    }
  }
  return pairs;
}

/// Most that tensors held during two steps of a real training, in bytes.
std::size_t measured(std::vector<sysdpo::preference<storybook>> const& pairs, options settings,
                     auto&& prepare) {
  auto& memory = sysdpo::cpu::memory();
  auto const before = memory.bytes_in_use();
  sysdpo::models<storybook, sysdpo::cpu> policy(sizes());
  prepare(policy);
  auto reference = policy;
  memory.reset_peak();
  settings.steps = 2;
  sysdpo::trainer<storybook, sysdpo::cpu> training(policy, reference, {}, pairs, settings);
  training.take_step();
  training.take_step();
  return memory.peak_bytes() - before;
}

}  // namespace

TEST_CASE("An estimate of memory is within a tenth of what is used", "[estimate]") {
  auto const pairs = some_pairs(8);
  auto const freeze_nothing = [](auto&) {};
  auto const freeze_encoder = [](auto& models) {
    models.template get<sysdpo::unet<painter_weights>>().parameters().set_trainable(false, "text_encoder.");
  };
  auto const freeze_author = [](auto& models) {
    models.template get<sysdpo::transformer<writer>>().parameters().set_trainable(false);
  };
  auto const compare = [&](options settings, auto&& prepare) {
    settings.pairs_per_batch = 8;
    auto const told = sysdpo::estimate(sizes(), {}, pairs, settings, prepare);
    auto const used = measured(pairs, settings, prepare);
    INFO(told.text());
    CHECK(static_cast<double>(told.peak) == Approx(static_cast<double>(used)).epsilon(0.1));
    return told;
  };

  auto const plain = compare({}, freeze_nothing);
  auto const with_frozen_author = compare({}, freeze_author);
  compare({}, freeze_encoder);
  options two_pass;
  two_pass.loss.two_pass = true;
  two_pass.loss.rows_per_piece = 4;
  auto const pieces = compare(two_pass, freeze_nothing);
  options averaged;
  averaged.moving_averages = decltype(averaged.moving_averages)::all(0.9);
  auto const with_averages = compare(averaged, freeze_nothing);
  options checkpointed;
  checkpointed.checkpoint_activations = decltype(checkpointed.checkpoint_activations)::all(true);
  auto const blocks = compare(checkpointed, freeze_nothing);
  auto const by_hand = compare({}, [](auto& models) { models.checkpoint_activations(true); });
  two_pass.checkpoint_activations = checkpointed.checkpoint_activations;
  auto const both = compare(two_pass, freeze_nothing);

  REQUIRE(plain.models.size() == 2);
  REQUIRE(plain.nodes.size() == 2);
  CHECK(plain.nodes[1].nodes == std::vector<std::string>{"panel_0", "panel_1"});
  sysdpo::models<storybook, sysdpo::cpu> real(sizes());
  auto const author_bytes = static_cast<std::size_t>(
      real.get<sysdpo::transformer<writer>>().parameters().elements() * sysdpo::index_t{sizeof(float)});
  CHECK(plain.models[0].weights == author_bytes);
  CHECK(plain.models[0].gradients == author_bytes);
  CHECK(plain.models[0].optimizer == 2 * author_bytes);
  CHECK(with_averages.models[0].optimizer == 3 * author_bytes);
  CHECK(with_frozen_author.models[0].gradients == 0);
  CHECK(with_frozen_author.nodes[0].activations < 4096);  // no more than the fold itself takes
  CHECK(pieces.nodes[1].activations < plain.nodes[1].activations / 3);
  CHECK(pieces.peak < plain.peak / 2);
  CHECK(blocks.nodes[0].activations < plain.nodes[0].activations);
  CHECK(blocks.nodes[1].activations < plain.nodes[1].activations / 2);
  CHECK(blocks.peak < plain.peak * 2 / 3);
  CHECK(by_hand.peak == blocks.peak);
  CHECK(both.peak < pieces.peak);
}

TEST_CASE("An estimate takes no memory of the CPU and refuses what a trainer would", "[estimate]") {
  auto const pairs = some_pairs(2);
  auto const allocations = sysdpo::cpu::memory().system_allocations();
  auto const in_use = sysdpo::planned::memory().bytes_in_use();
  (void)sysdpo::estimate(sizes(), {}, pairs, options{});
  CHECK(sysdpo::cpu::memory().system_allocations() == allocations);
  CHECK(sysdpo::planned::memory().bytes_in_use() == in_use);
  CHECK_THROWS_AS(sysdpo::estimate(sizes(), {}, pairs, options{.loss = {.beta = -1}}), sysdpo::error);
}

TEST_CASE("An estimate's activations are what scoring and differentiating a node holds", "[estimate]") {
  auto const pairs = some_pairs(8);
  auto const told = sysdpo::estimate(sizes(), {}, pairs, options{.pairs_per_batch = 8});
  std::vector<sysdpo::pair_visit<storybook>> visits;
  for (auto const& pair : pairs) visits.push_back({&pair, 0});
  sysdpo::models<storybook, sysdpo::cpu> policy(sizes());
  auto reference = policy;
  auto& memory = sysdpo::cpu::memory();
  for (std::size_t group = 0; group < 2; ++group) {
    sysdpo::preference_options<storybook> settings;
    settings.scales.at<writer>() = group == 0 ? 1 : 0;
    settings.scales.at<panel<0>>() = settings.scales.at<panel<1>>() = group == 0 ? 0 : 1;
    sysdpo::preference_loss<storybook, sysdpo::cpu> loss(policy, reference, {}, settings);
    loss.accumulate(visits);  // takes the gradients
    auto const held = memory.bytes_in_use();
    memory.reset_peak();
    loss.accumulate(visits);
    CHECK(static_cast<double>(told.nodes[group].activations) ==
          Approx(static_cast<double>(memory.peak_bytes() - held)).epsilon(0.1));
  }
}

TEST_CASE("An estimate counts nothing but its own", "[estimate]") {
  auto const pairs = some_pairs(2);
  auto const alone = sysdpo::estimate(sizes(), {}, pairs, options{});
  sysdpo::tensor<sysdpo::planned, float> const other({1 << 24});
  CHECK(sysdpo::estimate(sizes(), {}, pairs, options{}).peak == alone.peak);
}

TEST_CASE("An estimate with kept reference scores needs no visits beyond those kept", "[estimate]") {
  auto const pairs = some_pairs(2);
  auto const plain = sysdpo::estimate(sizes(), {}, pairs, options{});
  sysdpo::reference_scores<storybook> const scores(pairs, 1);
  options settings{.batches_per_step = 2};
  settings.loss.cached = &scores;
  CHECK(sysdpo::estimate(sizes(), {}, pairs, settings).peak <= plain.peak);
  settings.noise_visits = 2;
  CHECK_THROWS_AS(sysdpo::estimate(sizes(), {}, pairs, settings), sysdpo::error);
}
