#include "sysdpo/train/out_of_memory.hpp"

#include "support/catch.hpp"
#include "support/storybook.hpp"

using namespace test;
using Catch::Contains;

namespace {

using storybook = storybook_of<2>;
using options = sysdpo::trainer_options<storybook>;

sysdpo::model_configs<storybook> sizes() {
  auto author = tiny_author();
  author.layers = 4;
  author.hidden = 64;
  return {author, tiny_painter(false, 8)};
}

std::vector<sysdpo::preference<storybook>> some_pairs(std::size_t count) {
  std::vector<sysdpo::preference<storybook>> pairs(count);
  sysdpo::generator random(1);
  for (std::size_t i = 0; i < count; ++i) {
    pairs[i].id = 10 + i;
    for (auto* side : {&pairs[i].chosen, &pairs[i].rejected}) {
      sysdpo::get<prompt>(*side) = {4, 5, 6};
      sysdpo::get<writer>(*side) = {std::vector<std::int32_t>(1 + random.uniform_index(3), 7), {8, 4, 8}};
      for (auto* image : {&sysdpo::get<panel<0>>(*side), &sysdpo::get<panel<1>>(*side)}) {
        std::vector<float> values(16);
        for (auto& x : values) x = random.normal();
        *image = sysdpo::pixels<1, 4, 4>(values);
      }
    }
  }
  return pairs;
}

/// No memory beyond what is in use, and `more`, while it lives.
struct limited {
  explicit limited(std::size_t more) {
    sysdpo::cpu::memory().trim();
    sysdpo::cpu::memory().set_limit(sysdpo::cpu::memory().bytes_in_use() + more);
  }
  limited(limited const&) = delete;
  limited& operator=(limited const&) = delete;
  ~limited() { sysdpo::cpu::memory().set_limit(0); }
};

using trainer = sysdpo::trainer<storybook, sysdpo::cpu>;

/// What a step says that may take no more than `more` bytes.
std::string message_of(trainer& training, std::size_t more) {
  limited const limit(more);
  try {
    training.take_step();
  } catch (sysdpo::memory_error const& refused) {
    return refused.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a step without memory says what would help, and the training can go on", "[train]") {
  auto const pairs = some_pairs(6);
  sysdpo::models<storybook, sysdpo::cpu> policy(sizes());
  auto reference = policy;
  trainer training(policy, reference, {}, pairs, options{.pairs_per_batch = 6});
  auto const in_use = sysdpo::cpu::memory().bytes_in_use();
  auto const told = message_of(training, 1 << 18);
  CHECK_THAT(told, Contains("memory pool (step 1)"));
  CHECK_THAT(told, Contains("would pass the limit"));
  // The writer's nodes come first, and find too little already.
  CHECK_THAT(told,
             Contains("in this step 'writer' held ") && !Contains("'writer' held 0 KiB") &&
                 Contains("'panel_0', 'panel_1' held 0 KiB, and before it weights, gradients, moments"));
  auto const later = message_of(training, 3 << 19);
  CHECK_THAT(later, !Contains("'writer' held 0 KiB") && !Contains("'panel_0', 'panel_1' held 0 KiB"));
  CHECK_THAT(told, Contains("loss.two_pass with rows_per_piece"));
  CHECK_THAT(told, Contains("checkpoint_activations of 'author'"));
  CHECK_THAT(told, Contains("checkpoint_activations of 'painter'"));
  CHECK_THAT(told, Contains("a cache of the reference's scores"));
  CHECK_THAT(told, Contains("explain_out_of_memory(trainer)"));
  std::size_t gradients = 0;
  policy.for_each([&](auto, auto& model) {
    for (auto const& weight : model.parameters()) gradients += 2 * weight.gradient.value.bytes() + 256;
  });
  CHECK(sysdpo::cpu::memory().bytes_in_use() <= in_use + gradients);  // activations were let go of
  CHECK(training.step() == 0);
  training.take_step();
  CHECK(training.step() == 1);

  options saving{.pairs_per_batch = 6};
  saving.loss.two_pass = true;
  saving.checkpoint_activations.at<painter_model>() = true;
  trainer second(policy, reference, {}, pairs, saving);
  auto const less = message_of(second, 1 << 16);
  CHECK_THAT(less, !Contains("two_pass"));
  CHECK_THAT(less, !Contains("'painter'"));
  CHECK_THAT(less, Contains("checkpoint_activations of 'author'"));
}

TEST_CASE("where it is asked for, the message says how much each option would save", "[train]") {
  auto const pairs = some_pairs(3);
  sysdpo::models<storybook, sysdpo::cpu> policy(sizes());
  policy.get<painter_model>().parameters().set_trainable(false, "text_encoder.");
  auto reference = policy;
  options chosen{.pairs_per_batch = 6};  // each pair twice
  chosen.draw_noise_every = 5;
  trainer training(policy, reference, {}, pairs, chosen);
  sysdpo::explain_out_of_memory(training);
  auto const told = message_of(training, 1 << 18);
  for (auto const* part : {"memory pool (step 1)", "would pass the limit", "model (MiB)", "author", "painter",
                           "panel_0, panel_1", "peak of a step", "still off (MiB)",
                           "two_pass, rows_per_piece = 3", "checkpoint_activations", "all of these"})
    CHECK_THAT(told, Contains(part));
  CHECK_THAT(told, !Contains("explain_out_of_memory"));

  // The peak that is told is that of an estimate made beforehand.
  auto batch = some_pairs(6);
  for (std::size_t i = 0; i < 6; ++i) {
    batch[i] = pairs[i % 3];
    batch[i].id = i;
  }
  auto const freeze = [](auto& models) {
    models.template get<painter_model>().parameters().set_trainable(false, "text_encoder.");
  };
  auto const expected = sysdpo::estimate(sizes(), {}, batch, chosen, freeze);
  CHECK_THAT(told, Contains(expected.text()));

  training.take_step();
  auto everything = chosen;
  everything.draw_noise_every = 0;
  everything.loss.two_pass = true;
  everything.loss.rows_per_piece = 1;
  everything.checkpoint_activations.values.fill(true);
  sysdpo::reference_scores<storybook> const scores(pairs, 4);
  everything.loss.cached = &scores;
  everything.noise_visits = 4;
  trainer last(policy, reference, {}, pairs, everything);
  sysdpo::explain_out_of_memory(last);
  auto const nothing_left = message_of(last, 1 << 12);
  CHECK_THAT(nothing_left, Contains("model (MiB)"));
  CHECK_THAT(nothing_left, Contains("Nothing that is still off would lower the peak"));
}
