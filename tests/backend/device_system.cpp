// A language model that writes captions and a diffusion model that draws them, on kernels: trained and drawn
// from as on the CPU.
#include "support/device.hpp"
#include "support/storybook.hpp"
#include "sysdpo/train/estimate.hpp"
#include "sysdpo/train/generate.hpp"
#include "sysdpo/train/trainer.hpp"

namespace {

using namespace test;
using storybook = storybook_of<2>;
template <class Backend, class Precision = sysdpo::precision<float>>
using models_on = sysdpo::models<storybook, Backend, Precision>;
using half_memory = sysdpo::precision<float, bf16, float>;
using quarter_memory = sysdpo::precision<bf16, bf16, float>;

/// Heads of 8 elements, which kernels take in every format.
sysdpo::model_configs<storybook> configs() {
  auto author = tiny_author();
  author.hidden = 16;
  author.heads = 2;
  author.kv_heads = 1;
  auto painter = tiny_painter(false, 20);
  painter.block_out_channels = {4, 8};
  painter.heads = 1;
  painter.caption_encoder.hidden = 8;
  painter.caption_encoder.heads = 1;
  return {author, painter};
}

template <class Backend, class Precision = sysdpo::precision<float>>
models_on<Backend, Precision> some_models() {
  models_on<Backend, Precision> made(configs(), 1);
  for (auto& weight : made.template get<painter_model>().parameters())
    if (weight.name == "conv_out.weight") {
      auto const values = random_numbers<bf16>(weight.value.size(), 5, 0.1);
      weight.value = tensor_of<Backend, typename Precision::parameter>(weight.value.extents(), values);
    }
  return made;
}

std::vector<sysdpo::preference<storybook>> some_pairs() {
  sysdpo::generator random(3);
  auto const page = [&] {
    sysdpo::assignment<storybook> made;
    auto const words = [&](std::size_t count) {
      std::vector<std::int32_t> text;
      for (std::size_t i = 0; i < count; ++i)
        text.push_back(static_cast<std::int32_t>(3 + random.uniform_index(6)));
      return text;
    };
    sysdpo::get<prompt>(made) = {4, 5};
    sysdpo::get<writer>(made) = {words(1 + random.uniform_index(3)), words(2)};
    for (auto* image : {&sysdpo::get<panel<0>>(made), &sysdpo::get<panel<1>>(made)}) {
      std::vector<float> pixels(16);
      for (auto& pixel : pixels) pixel = random.normal();
      *image = sysdpo::pixels<1, 4, 4>(pixels);
    }
    return made;
  };
  std::vector<sysdpo::preference<storybook>> pairs;
  for (std::uint64_t id = 0; id < 2; ++id) pairs.push_back({.id = id, .chosen = page(), .rejected = page()});
  return pairs;
}

/// The metrics of each step.
template <class Backend, class Precision = sysdpo::precision<float>>
std::vector<sysdpo::metric_map> train(int steps, double rate, bool two_pass = false) {
  auto policy = some_models<Backend, Precision>();
  auto reference = policy;
  auto const pairs = some_pairs();
  using trainer = sysdpo::trainer<storybook, Backend, Precision>;
  typename trainer::options_type options{.steps = steps, .pairs_per_batch = 2};
  options.rates = options.rates.all(rate);
  options.loss.two_pass = two_pass;
  trainer training(policy, reference, {}, pairs, options);
  std::vector<sysdpo::metric_map> metrics;
  for (int step = 0; step < steps; ++step) metrics.push_back(training.take_step());
  return metrics;
}

void check_metrics(std::vector<sysdpo::metric_map> const& got,
                   std::vector<sysdpo::metric_map> const& expected, double tolerance) {
  for (std::size_t step = 0; step < got.size(); ++step)
    for (auto const& [name, value] : expected[step]) {
      INFO("step " << step << ", " << name);
      REQUIRE(got[step].count(name) == 1);
      REQUIRE(got[step].at(name) == Approx(value).epsilon(tolerance).margin(tolerance));
    }
}

}  // namespace

TEST_CASE("a compound system trains on kernels as on the CPU", "[backend]") {
  auto const expected = train<sysdpo::cpu>(2, 1e-2);
  check_metrics(train<device>(2, 1e-2), expected, 1e-3);
  check_metrics(train<device>(1, 1e-2, true), expected, 1e-3);
}

TEST_CASE("a compound system trains in 16 bits as in 32, but for their roundings", "[backend]") {
  auto const expected = train<sysdpo::cpu>(2, 1e-3);
  for (auto metrics : {train<device, half_memory>(2, 1e-3), train<device, quarter_memory>(2, 1e-3)}) {
    CHECK(metrics[1].at("loss") == Approx(expected[1].at("loss")).margin(0.15));
    metrics.resize(1);
    check_metrics(metrics, expected, 0.05);
  }
}

TEST_CASE("an estimate for kernels is within a tenth of what is used", "[backend]") {
  auto const pairs = some_pairs();
  sysdpo::trainer_options<storybook> options{.steps = 2, .pairs_per_batch = 2};
  auto const told = sysdpo::estimate<half_memory, device>(configs(), {}, pairs, options);
  auto& memory = device::memory();
  auto const before = memory.bytes_in_use();
  auto policy = some_models<device, half_memory>();
  auto reference = policy;
  memory.reset_peak();
  sysdpo::trainer<storybook, device, half_memory> training(policy, reference, {}, pairs, options);
  training.take_step();
  auto const allocations = memory.system_allocations();
  training.take_step();
  CHECK(memory.system_allocations() == allocations);
  auto const used = memory.peak_bytes() - before;
  INFO(told.text());
  CHECK(static_cast<double>(told.peak) == Approx(static_cast<double>(used)).epsilon(0.1));
}

TEST_CASE("a compound system draws on kernels what it draws on the CPU", "[backend]") {
  std::vector<sysdpo::generation_request<storybook>> requests(12);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].id = i;
    sysdpo::get<prompt>(requests[i].given) = {static_cast<std::int32_t>(3 + i % 6)};
  }
  auto const draw = [&](auto models) {
    sysdpo::policy_options<storybook> policies;
    policies.get<author_of<2>>().sampling.max_new_tokens = 12;
    policies.get<painter>().sampling = {.steps = 3, .eta = 0.5, .guidance = 2};
    return sysdpo::generate<storybook>(models, policies, std::span(std::as_const(requests)), {.seed = 2});
  };
  auto const expected = draw(some_models<sysdpo::cpu>());
  auto const got = draw(some_models<device>());
  REQUIRE(std::count(expected.valid.begin(), expected.valid.end(), true) > 0);
  REQUIRE(got.valid == expected.valid);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (!expected.valid[i]) continue;
    CHECK(sysdpo::get<writer>(got.values[i]) == sysdpo::get<writer>(expected.values[i]));
    auto const image = sysdpo::get<panel<1>>(got.values[i]).values();
    auto const drawn = sysdpo::get<panel<1>>(expected.values[i]).values();
    for (std::size_t k = 0; k < image.size(); ++k) CHECK(image[k] == Approx(drawn[k]).margin(1e-3));
  }
  auto const narrow = draw(some_models<device, half_memory>());
  REQUIRE(std::count(narrow.valid.begin(), narrow.valid.end(), true) > 0);
}
