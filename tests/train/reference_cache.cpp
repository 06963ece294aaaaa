// Kept reference scores: the same training as with the reference at hand, and nothing stale.
#include "sysdpo/train/reference_cache.hpp"

#include <fstream>

#include "support/catch.hpp"
#include "support/storybook.hpp"
#include "support/temporary_directory.hpp"
#include "sysdpo/train/trainer.hpp"
#include "train/observe.hpp"

namespace {

using Catch::Matchers::Contains;
using storybook = test::storybook_of<2>;
using painter = test::painter;
using author = test::author_of<2>;
using exactly = sysdpo::precision<double>;
using storybook_models = sysdpo::models<storybook, sysdpo::cpu, exactly>;
using storybook_trainer = sysdpo::trainer<storybook, sysdpo::cpu, exactly>;
using pairs_type = std::vector<sysdpo::preference<storybook>>;

storybook_models some_models() {
  storybook_models made({test::tiny_author(), test::tiny_painter(false, 20)}, 11);
  made.for_each([](auto, auto& model) {  // off their start, where a UNet predicts zeros
    sysdpo::generator random(1);
    for (auto& weight : model.parameters())
      for (sysdpo::index_t i = 0; i < weight.value.size(); ++i)
        weight.value.data()[i] += 0.05 * static_cast<double>(random.normal());
  });
  return made;
}

pairs_type some_pairs(std::uint64_t count = 7) {
  sysdpo::generator random(3);
  pairs_type pairs;
  for (std::uint64_t id = 0; id < count; ++id) {
    sysdpo::preference<storybook> pair{.id = 10 + id, .chosen = {}, .rejected = {}};
    for (auto* page : {&pair.chosen, &pair.rejected}) {
      sysdpo::get<test::prompt>(*page) = {4, 5};
      sysdpo::get<test::writer>(*page) = {
          std::vector<std::int32_t>{static_cast<std::int32_t>(3 + random.uniform_index(6))}, {6, 7}};
      for (auto* image : {&sysdpo::get<test::panel<0>>(*page), &sysdpo::get<test::panel<1>>(*page)}) {
        std::vector<float> values(16);
        for (auto& value : values) value = random.normal();
        *image = sysdpo::pixels<1, 4, 4>(values);
      }
    }
    pairs.push_back(pair);
  }
  return pairs;
}

storybook_trainer::options_type some_training() {
  storybook_trainer::options_type options{.steps = 9, .pairs_per_batch = 3};
  options.loss.seed = 5;
  options.noise_visits = 2;
  options.rates = decltype(options.rates)::all(1e-2);
  return options;
}

}  // namespace

TEST_CASE("a training with kept reference scores is the training without", "[reference_cache]") {
  test::temporary_directory const folder;
  auto const pairs = some_pairs();
  auto const start = some_models();
  auto reference = start;
  sysdpo::policy_options<storybook> policies;
  policies.get<painter>().draws = 2;
  for (bool const two_pass : {false, true}) {
    auto options = some_training();
    options.loss.two_pass = two_pass;
    options.loss.rows_per_piece = two_pass ? 4 : 0;
    auto expected = start;
    storybook_trainer(expected, reference, policies, pairs, options).run();

    for (bool const is_read : {false, true}) {  // made, then read back
      auto const file = folder / "reference.safetensors";
      if (!is_read) std::filesystem::remove(file);
      auto const scores = sysdpo::cache_reference(file, reference, policies, std::span(pairs),
                                                  {.visits = 2, .seed = 5, .pairs_per_batch = 3});
      REQUIRE(std::filesystem::exists(file));
      options.loss.cached = &scores;
      auto elsewhere = some_models();  // never run: any weights would do
      elsewhere.get<test::author_model>().parameters().begin()->value.data()[0] = 1e9;
      auto policy = start;
      storybook_trainer(policy, elsewhere, policies, pairs, options).run();
      auto const got = test::weights_of(policy);
      auto const wanted = test::weights_of(expected);
      REQUIRE(got.size() == wanted.size());
      for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(wanted[i]).margin(1e-9));
      CHECK(got != test::weights_of(start));
    }
  }
}

TEST_CASE("pairs that are not kept are scored by the reference", "[reference_cache]") {
  test::temporary_directory const folder;
  auto const pairs = some_pairs();
  auto reference = some_models();
  auto policy = reference;
  for (auto& weight : policy.get<test::painter_model>().parameters())
    for (sysdpo::index_t i = 0; i < weight.value.size(); ++i) weight.value.data()[i] *= 1.1;
  pairs_type const kept(pairs.begin(), pairs.begin() + 3);
  auto const scores = sysdpo::cache_reference(folder / "kept", reference, {}, std::span(kept), {.visits = 1});
  sysdpo::preference_loss<storybook, sysdpo::cpu, exactly> plain(policy, reference, {}, {});
  sysdpo::preference_loss<storybook, sysdpo::cpu, exactly> with(policy, reference, {}, {.cached = &scores});
  auto changed = pairs.front();
  sysdpo::get<test::writer>(changed.rejected)[0] = {8, 8, 8};
  for (auto const* pair : {&pairs[0], &pairs[6], static_cast<decltype(&pairs[0])>(&changed)}) {
    sysdpo::pair_visit<storybook> const batch{pair, 0};
    auto const a = plain.score(std::span(&batch, 1)).losses.to_host()[0];
    auto const b = with.score(std::span(&batch, 1)).losses.to_host()[0];
    CHECK(a == Approx(b).epsilon(1e-10));
    CHECK(a != std::log(2.0));
  }
  sysdpo::pair_visit<storybook> const later{&pairs[0], 1};
  CHECK_THROWS_WITH(with.score(std::span(&later, 1)), Contains("visit 1") && Contains("only 1 visits"));
}

TEST_CASE("a stale or damaged cache is refused with the reason, and left alone", "[reference_cache]") {
  test::temporary_directory const folder;
  auto const file = folder / "reference.safetensors";
  auto const pairs = some_pairs(3);
  auto const open = [&](auto change) {
    auto data = pairs;
    auto reference = some_models();
    sysdpo::policy_options<storybook> policies;
    sysdpo::reference_cache_options options{.visits = 2, .seed = 5};
    change(data, reference, policies, options);
    (void)sysdpo::cache_reference(file, reference, policies, std::span(std::as_const(data)), options);
  };
  open([](auto&...) {});
  auto const written = std::filesystem::last_write_time(file);
  CHECK_NOTHROW(open([](auto&...) {}));
  CHECK_THROWS_WITH(open([](auto& data, auto&...) {
                      sysdpo::get<test::writer>(data[1].chosen)[0] = {8, 8};
                    }),
                    Contains("pair values"));
  CHECK_THROWS_WITH(open([](auto& data, auto&...) { data[1].id = 99; }), Contains("pair ids"));
  CHECK_THROWS_WITH(open([](auto&, auto& reference, auto&...) {
                      reference.template get<test::painter_model>().parameters().begin()->value.data()[0] +=
                          1;
                    }),
                    Contains("weights of painter"));
  CHECK_THROWS_WITH(open([](auto&, auto&, auto& policies, auto&) {
                      policies.template get<painter>().schedule.kind = sysdpo::schedule_kind::cosine;
                    }),
                    Contains("settings of panel_0"));
  CHECK_THROWS_WITH(
      open([](auto&, auto&, auto& policies, auto&) { policies.template get<author>().end = 1; }),
      Contains("settings of writer"));
  CHECK_THROWS_WITH(open([](auto&, auto&, auto&, auto& options) { options.seed = 6; }),
                    Contains("noise seed"));
  CHECK_THROWS_WITH(open([](auto&, auto&, auto&, auto& options) { options.visits = 3; }), Contains("visits"));
  CHECK(std::filesystem::last_write_time(file) == written);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 8);
  CHECK_THROWS_WITH(open([](auto&...) {}), Contains("safetensors"));
}

TEST_CASE("a trainer refuses noise that is not kept before it starts", "[reference_cache]") {
  test::temporary_directory const folder;
  auto const pairs = some_pairs();
  auto reference = some_models();
  auto policy = reference;
  auto const scores =
      sysdpo::cache_reference(folder / "kept", reference, {}, std::span(pairs), {.visits = 2, .seed = 5});
  auto options = some_training();
  options.loss.cached = &scores;
  CHECK_NOTHROW(storybook_trainer(policy, reference, {}, pairs, options));
  options.noise_visits = 3;
  CHECK_THROWS_WITH(storybook_trainer(policy, reference, {}, pairs, options), Contains("noise_visits"));
  options.noise_visits = 0;
  CHECK_THROWS_WITH(storybook_trainer(policy, reference, {}, pairs, options), Contains("noise_visits"));
  options.steps = 4;  // 12 pairs: two epochs, two visits
  CHECK_NOTHROW(storybook_trainer(policy, reference, {}, pairs, options));
}

TEST_CASE("scores computed in single precision do not serve a training in double", "[reference_cache]") {
  test::temporary_directory const folder;
  auto const file = folder / "reference.safetensors";
  auto const pairs = some_pairs(2);
  auto const open = [&]<class Precision>(std::type_identity<Precision>) {
    sysdpo::models<storybook, sysdpo::cpu, Precision> reference(
        {test::tiny_author(), test::tiny_painter(false, 20)}, 11);
    (void)sysdpo::cache_reference(file, reference, {}, std::span(pairs), {});
  };
  open(std::type_identity<sysdpo::precision<float>>{});
  CHECK_NOTHROW(open(std::type_identity<sysdpo::precision<float>>{}));
  CHECK_THROWS_WITH(open(std::type_identity<sysdpo::precision<float, double>>{}), Contains("computed in"));
}

TEST_CASE("a training that ends with the last kept visit saves its end", "[reference_cache]") {
  test::temporary_directory const folder;
  auto const pairs = some_pairs();
  auto reference = some_models();
  auto policy = reference;
  auto const scores =
      sysdpo::cache_reference(folder / "kept", reference, {}, std::span(pairs), {.visits = 1, .seed = 5});
  auto options = some_training();
  options.loss.cached = &scores;
  options.noise_visits = 0;
  options.steps = 2;  // 6 pairs of 7, one epoch; the next batch would begin another
  options.checkpoints = folder / "run";
  storybook_trainer training(policy, reference, {}, pairs, options);
  CHECK(training.run() == 2);
  CHECK(sysdpo::detail::checkpoint_steps(folder / "run") == std::vector<sysdpo::index_t>{2});
}

TEST_CASE("scores cannot be made no pairs at a time", "[reference_cache]") {
  test::temporary_directory const folder;
  auto const pairs = some_pairs(2);
  auto reference = some_models();
  for (sysdpo::index_t const at_once : {0, -1})
    CHECK_THROWS_WITH(sysdpo::cache_reference(folder / "kept", reference, {}, std::span(pairs),
                                              {.pairs_per_batch = at_once}),
                      Contains("pairs_per_batch"));
  CHECK(!std::filesystem::exists(folder / "kept"));
}
