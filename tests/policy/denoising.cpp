#include "sysdpo/policy/denoising.hpp"

#include <map>

#include "support/catch.hpp"
#include "sysdpo/backend/cpu.hpp"
#include "sysdpo/model/unet.hpp"

namespace {

using sysdpo::cpu;
using sysdpo::draw_key;
using sysdpo::index_t;
using sysdpo::loss_weight;
using sysdpo::prediction_kind;
using sysdpo::reduction;
using tokens = std::vector<std::int32_t>;

template <class T>
using tensor = sysdpo::tensor<cpu, T>;
template <class T>
using variable = sysdpo::variable<cpu, T>;

/// A painter that can be computed by hand: gain·z + t/1000 + a tenth of the sum of the caption's tokens.
template <class Scalar>
struct linear_painter {
  using backend_type = cpu;
  using T = Scalar;
  double gain = 0.7;

  variable<T> encode(sysdpo::tape<cpu, T>& tape, sysdpo::packed_tokens<cpu> const& captions) const {
    std::vector<T> values;
    for (auto const id : captions.ids.to_host()) values.push_back(static_cast<T>(id));
    return tape.constant(tensor<T>::from_host({captions.sequences.total, 1}, values));
  }
  variable<T> predict(sysdpo::tape<cpu, T>& tape, tensor<T> const& z, tensor<std::int32_t> const& t,
                      variable<T> const& condition, sysdpo::packed_sequences<cpu> const& captions) const {
    tensor<T> y(z.extents());
    auto const size = z.size() / z.extent(0);
    for (index_t row = 0; row < z.extent(0); ++row) {
      T sum = 0;
      for (auto i = captions.offsets.data()[row]; i < captions.offsets.data()[row + 1]; ++i)
        sum += condition.value().data()[i];
      for (index_t i = row * size; i < (row + 1) * size; ++i)
        y.data()[i] =
            static_cast<T>(gain) * z.data()[i] + static_cast<T>(t.data()[row]) / T{1000} + sum / T{10};
    }
    return tape.constant(std::move(y));
  }
};

struct weights;
template <class Image>
using policy_of = sysdpo::denoising<sysdpo::unet<weights>, Image>;
template <class Image>
using row_of = sysdpo::scored_row<Image, sysdpo::text>;

using small = sysdpo::image<2, 2, 3>;
using policy = policy_of<small>;
using row = row_of<small>;
static_assert(policy::accepts<sysdpo::text> && !policy::accepts<> && !policy::accepts<small>);

tokens const sunny{3, 4};
tokens const foggy{5};
constexpr sysdpo::denoising_options few_steps{
    .schedule = {.kind = sysdpo::schedule_kind::cosine, .steps = 10}};

template <class Image = small>
std::vector<typename Image::type> some_images(std::size_t count) {
  sysdpo::generator random(9);
  std::vector<typename Image::type> images;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<float> values(Image::size);
    for (auto& value : values) value = 0.5F * random.normal();
    images.emplace_back(values);
  }
  return images;
}

template <class Image>
std::vector<sysdpo::scored_row<Image, sysdpo::text>> rows_of(
    std::vector<sysdpo::pixels<Image::channels, Image::height, Image::width>> const& images) {
  std::vector<sysdpo::scored_row<Image, sysdpo::text>> rows;
  for (std::size_t i = 0; i < images.size(); ++i)
    rows.push_back({.value = &images[i],
                    .parents = {i % 2 == 0 ? &sunny : &foggy},
                    .key = {.seed = 4, .pair = i, .node = 1}});
  return rows;
}

template <class Policy = policy, class Model, class Row>
std::vector<typename Model::T> ratios(Model const& model, Model const& reference,
                                      sysdpo::denoising_options const& options,
                                      std::vector<Row> const& rows) {
  sysdpo::tape<cpu, typename Model::T> tape(sysdpo::recording::off);
  auto const record = Policy::reference(reference, options, std::span(rows));
  return Policy::log_ratio(tape, model, record, options, std::span(rows)).value().to_host();
}

linear_painter<double> const ours{0.7};
linear_painter<double> const theirs{0.4};

}  // namespace

TEST_CASE("the log-ratio is T times the difference of the losses of the same noise", "[policy]") {
  auto const prediction = GENERATE(prediction_kind::epsilon, prediction_kind::velocity);
  auto const weight =
      GENERATE(loss_weight::constant, loss_weight::elbo, loss_weight::min_snr, loss_weight::velocity);
  auto const reduce = GENERATE(reduction::sum, reduction::mean);
  auto const draws = GENERATE(1, 3);
  auto const factor = GENERATE(0.0, 25.0);
  auto options = few_steps;
  options.prediction = prediction;
  options.weight = weight;
  options.reduce = reduce;
  options.draws = draws;
  options.steps_factor = factor;
  auto const images = some_images(4);
  auto const rows = rows_of<small>(images);
  auto const steps = policy::reference(theirs, options, std::span(rows)).rows.steps.to_host();
  auto const found = ratios(ours, theirs, options, rows);
  sysdpo::tape<cpu, double> tape(sysdpo::recording::off);
  auto const losses = policy::loss(tape, ours, options, std::span(rows)).value().to_host();
  REQUIRE(steps.size() == rows.size() * static_cast<std::size_t>(draws));

  sysdpo::noise_schedule const schedule(options.schedule);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    double expected = 0;
    double own_loss = 0;
    for (std::size_t k = 0; k < static_cast<std::size_t>(draws); ++k) {
      auto const t = steps[r * static_cast<std::size_t>(draws) + k];
      auto const signal = std::sqrt(schedule.alpha_bar(t));
      auto const deviation = std::sqrt(1 - schedule.alpha_bar(t));
      auto const caption_sum = 0 + (r % 2 == 0 ? 7 : 5) + 2;
      auto key = rows[r].key;
      key.draw = static_cast<std::uint32_t>(k);
      std::vector<float> noise(small::size);
      sysdpo::fill_normal(noise, key);
      auto const loss = [&](double gain) {
        double sum = 0;
        for (std::size_t i = 0; i < small::size; ++i) {
          auto const error = static_cast<double>(noise[i]);
          auto const z = signal * static_cast<double>(images[r].values()[i]) + deviation * error;
          auto const output = gain * z + t / 1000.0 + caption_sum / 10.0;
          auto const estimate =
              prediction == prediction_kind::epsilon ? output : deviation * z + signal * output;
          sum += std::pow(error - estimate, 2);
        }
        return schedule.weight(weight, t) * sum / (reduce == reduction::mean ? small::size : 1) / draws;
      };
      expected += (factor == 0 ? 10 : factor) * (loss(0.4) - loss(0.7));
      own_loss += loss(0.7);
    }
    CHECK(found[r] == Approx(expected).epsilon(1e-10).margin(1e-10));
    CHECK(losses[r] == Approx(own_loss).epsilon(1e-10));
  }
}

TEST_CASE("a painter that equals its reference has log-ratios of exactly zero", "[policy]") {
  auto const images = some_images(5);
  auto options = few_steps;
  options.draws = 2;
  for (auto const ratio : ratios(ours, ours, options, rows_of<small>(images))) CHECK(ratio == 0.0);
  linear_painter<float> const single;
  for (auto const ratio : ratios(single, single, options, rows_of<small>(images))) CHECK(ratio == 0.0F);
}

TEST_CASE("steps are uniform between the first and the last", "[policy]") {
  auto const images = some_images(2000);
  auto const rows = rows_of<small>(images);
  auto const counts = [&](int first, int last) {
    auto options = few_steps;
    options.first_step = first;
    options.last_step = last;
    std::map<std::int32_t, double> seen;
    for (auto const t : policy::reference(ours, options, std::span(rows)).rows.steps.to_host()) ++seen[t];
    return seen;
  };
  auto const narrow = counts(3, 7);
  CHECK(narrow.begin()->first == 3);
  CHECK(narrow.rbegin()->first == 7);
  auto const whole = counts(1, 0);
  CHECK(whole.begin()->first == 1);
  CHECK(whole.rbegin()->first == 10);
  auto const statistic = [](auto const& seen) {
    auto const expected = 2000.0 / static_cast<double>(seen.size());
    double sum = 0;
    for (auto const& [t, count] : seen) sum += std::pow(count - expected, 2) / expected;
    return sum;
  };
  CHECK(statistic(narrow) < 18.5);  // 4 degrees of freedom: exceeded with probability 1e-3
  CHECK(statistic(whole) < 27.9);   // 9 degrees of freedom
  CHECK(counts(4, 4) == std::map<std::int32_t, double>{{4, 2000}});
}

TEST_CASE("the two sides of a pair share their draws unless asked not to", "[policy]") {
  auto const images = some_images(1);
  auto both = rows_of<small>(images);
  both.push_back(both[0]);
  both[1].side = 1;
  auto options = few_steps;
  options.draws = 3;
  auto const shared = policy::reference(ours, options, std::span(std::as_const(both))).rows;
  auto const noisy = shared.noisy.to_host();
  auto const half = static_cast<std::ptrdiff_t>(noisy.size() / 2);
  CHECK(std::equal(noisy.begin(), noisy.begin() + half, noisy.begin() + half));

  options.share_draws = false;
  auto const apart = policy::reference(ours, options, std::span(std::as_const(both))).rows;
  auto const targets = apart.target.to_host();
  for (std::size_t i = 0; i < 3 * small::size; ++i)
    for (std::size_t k = 0; k < 3; ++k)
      CHECK(targets[i] != targets[3 * small::size + k * small::size + i % small::size]);
  auto const steps = apart.steps.to_host();
  CHECK_FALSE(std::equal(steps.begin(), steps.begin() + 3, steps.begin() + 3));
}

TEST_CASE("several draws are averaged, and each key has its own", "[policy]") {
  auto const images = some_images(3);
  auto const rows = rows_of<small>(images);
  auto options = few_steps;
  options.draws = 3;
  auto const averaged = ratios(ours, theirs, options, rows);
  options.draws = 1;
  std::vector<double> mean(3);
  for (std::uint32_t draw = 0; draw < 3; ++draw) {
    auto one = rows;
    for (auto& each : one) each.key.draw = draw;
    auto const single = ratios(ours, theirs, options, one);
    for (std::size_t r = 0; r < 3; ++r) mean[r] += single[r] / 3;
  }
  for (std::size_t r = 0; r < 3; ++r) CHECK(averaged[r] == Approx(mean[r]).epsilon(1e-12));

  auto const before = ratios(ours, theirs, options, rows);
  for (auto const& change : std::initializer_list<void (*)(draw_key&)>{
           [](draw_key& key) { ++key.seed; }, [](draw_key& key) { key.pair += 100; },
           [](draw_key& key) { ++key.node; }, [](draw_key& key) { ++key.visit; }}) {
    auto other = rows;
    for (auto& each : other) change(each.key);
    auto const after = ratios(ours, theirs, options, other);
    for (std::size_t r = 0; r < 3; ++r) CHECK(after[r] != before[r]);
  }
}

TEST_CASE("a row's log-ratio does not depend on its batch", "[policy]") {
  auto const images = some_images(5);
  auto rows = rows_of<small>(images);
  auto const together = ratios(ours, theirs, few_steps, rows);
  std::reverse(rows.begin(), rows.end());
  auto const reversed = ratios(ours, theirs, few_steps, rows);
  for (std::size_t r = 0; r < 5; ++r) {
    CHECK(reversed[4 - r] == together[r]);
    CHECK(ratios(ours, theirs, few_steps, std::vector{rows[r]})[0] == reversed[r]);
  }
}

TEST_CASE("log-ratios in single precision keep their digits near the reference", "[policy]") {
  using big = sysdpo::image<3, 16, 16>;
  using big_policy = policy_of<big>;
  auto const images = some_images<big>(20);
  auto const rows = rows_of<big>(images);
  linear_painter<float> const near{0.7001};
  linear_painter<float> const reference{0.7};
  sysdpo::denoising_options const options{};  // T = 1000, mean over 768 elements
  auto const found = ratios<big_policy>(near, reference, options, rows);
  auto const record = big_policy::reference(reference, options, std::span(rows));
  sysdpo::tape<cpu, float> tape(sysdpo::recording::off);
  auto const p = near.predict(tape, record.rows.noisy, record.rows.steps,
                              near.encode(tape, record.rows.captions), record.rows.captions.sequences)
                     .value();
  double error = 0;
  double naive_error = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    double exact = 0;
    float sum_ours = 0;
    float sum_reference = 0;
    for (std::size_t i = r * big::size; i < (r + 1) * big::size; ++i) {
      auto const target = record.rows.target.data()[i];
      auto const before = record.prediction.data()[i];
      exact += std::pow(static_cast<double>(target) - static_cast<double>(before), 2) -
               std::pow(static_cast<double>(target) - static_cast<double>(p.data()[i]), 2);
      sum_ours += (target - p.data()[i]) * (target - p.data()[i]);
      sum_reference += (target - before) * (target - before);
    }
    exact *= 1000.0 / big::size;
    auto const naive = 1000 * (sum_reference / big::size - sum_ours / big::size);
    error += std::pow(static_cast<double>(found[r]) - exact, 2);
    naive_error += std::pow(static_cast<double>(naive) - exact, 2);
  }
  CHECK(std::sqrt(error) < std::sqrt(naive_error) / 30);
}

TEST_CASE("guidance goes away from the prediction for an empty caption", "[policy]") {
  // The prediction is linear in the sum of the caption's tokens: with begin 0 and end 2, guidance 3 makes of
  // the sums 2 (no caption) and 5 (caption 3) a sum of 11, that of caption 9.
  auto options = few_steps;
  options.sampling = {.steps = 4, .clip = 0};
  auto const draw = [&](tokens const& caption, double guidance) {
    options.sampling.guidance = guidance;
    std::vector<sysdpo::drawn_request<sysdpo::text>> const requests{
        {.parents = {&caption}, .key = {.seed = 2, .pair = 1}},
        {.parents = {&sunny}, .key = {.seed = 2, .pair = 2}}};
    auto drawn = policy::sample(ours, options, std::span(requests));
    REQUIRE(drawn.valid == std::vector{true, true});
    return drawn.values[0];
  };
  auto const guided = draw({3}, 3);
  auto const plain = draw({9}, 1);
  auto const weak = draw({3}, 1);
  for (std::size_t i = 0; i < small::size; ++i) {
    CHECK(guided.values()[i] == Approx(plain.values()[i]).epsilon(1e-5));
    CHECK(guided.values()[i] != Approx(weak.values()[i]).epsilon(1e-3));
  }
}

TEST_CASE("sampling some images at a time draws the same ones, in memory that does not grow", "[policy]") {
  using big = sysdpo::image<3, 16, 16>;
  std::vector<sysdpo::drawn_request<sysdpo::text>> requests;
  for (std::uint64_t i = 0; i < 40; ++i)
    requests.push_back({.parents = {i % 3 == 0 ? &sunny : &foggy}, .key = {.seed = 2, .pair = i}});
  linear_painter<float> const painter{0.7};
  auto const guidance = GENERATE(1.0, 2.0);
  struct outcome {
    std::vector<big::type> images;
    std::size_t peak;
  };
  auto const draw = [&](int at_a_time, std::size_t count) -> outcome {
    auto options = few_steps;
    options.sampling = {.steps = 4, .guidance = guidance, .images_at_a_time = at_a_time};
    auto& pool = cpu::memory();
    auto const before = pool.bytes_in_use();
    pool.reset_peak();
    auto drawn = policy_of<big>::sample(painter, options, std::span(std::as_const(requests)).first(count));
    REQUIRE(drawn.valid == std::vector(count, true));
    return {std::move(drawn.values), pool.peak_bytes() - before};
  };
  auto const at_once = draw(40, 40);
  auto const in_parts = draw(3, 40);
  REQUIRE(in_parts.images == at_once.images);
  REQUIRE(draw(0, 40).images == at_once.images);
  REQUIRE(in_parts.peak == draw(3, 3).peak);
  REQUIRE(in_parts.peak < at_once.peak / 8);
  REQUIRE_THROWS_WITH(draw(-1, 1), Catch::Contains("images_at_a_time = -1"));
}

TEST_CASE("the theorem's options are told from others", "[policy]") {
  sysdpo::denoising_options const theorem{
      .schedule = {.steps = 50}, .weight = loss_weight::elbo, .reduce = reduction::sum};
  CHECK(sysdpo::is_theorem(theorem));
  CHECK_FALSE(sysdpo::is_theorem({}));
  auto const changed = [&](auto const& change) {
    auto options = theorem;
    change(options);
    return sysdpo::is_theorem(options);
  };
  CHECK(changed([](auto& o) { o.draws = 4; }));
  CHECK(changed([](auto& o) { o.last_step = 50; }));
  CHECK(changed([](auto& o) { o.steps_factor = 50; }));
  CHECK(changed([](auto& o) { o.share_draws = false; }));
  CHECK_FALSE(changed([](auto& o) { o.weight = loss_weight::constant; }));
  CHECK_FALSE(changed([](auto& o) { o.reduce = reduction::mean; }));
  CHECK_FALSE(changed([](auto& o) { o.first_step = 2; }));
  CHECK_FALSE(changed([](auto& o) { o.last_step = 49; }));
  CHECK_FALSE(changed([](auto& o) { o.steps_factor = 49; }));
}

TEST_CASE("options out of range and missing images are refused", "[policy]") {
  auto const images = some_images(1);
  auto const rows = rows_of<small>(images);
  auto const refused = [&](auto const& change) {
    auto options = few_steps;
    change(options);
    CHECK_THROWS_WITH(policy::reference(ours, options, std::span(rows)), Catch::Contains("denoising node"));
  };
  refused([](auto& o) { o.draws = 0; });
  refused([](auto& o) { o.first_step = 0; });
  refused([](auto& o) { o.last_step = 11; });
  refused([](auto& o) { o.first_step = 5, o.last_step = 4; });
  refused([](auto& o) { o.steps_factor = -1; });
  refused([](auto& o) { o.steps_factor = std::nan(""); });
  std::vector<small::type> const missing(1);
  auto without = rows_of<small>(missing);
  without[0].key.pair = 17;
  CHECK_THROWS_WITH(policy::reference(ours, few_steps, std::span(std::as_const(without))),
                    Catch::Contains("pair 17"));
}

TEST_CASE("log-ratios and losses have the gradients of finite differences in a UNet", "[policy]") {
  using gray = sysdpo::image<1, 4, 4>;
  using gray_policy = policy_of<gray>;
  using unet = sysdpo::unet_model<cpu, sysdpo::precision<double>>;
  sysdpo::unet_config const config{
      .in_channels = 1,
      .out_channels = 1,
      .sample_size = 4,
      .block_out_channels = {4, 8},
      .cross_attention = {false, true},
      .heads = 2,
      .norm_groups = 2,
      .pooled_caption = true,
      .caption_encoder = {
          .vocabulary = 9, .hidden = 8, .layers = 1, .heads = 2, .intermediate = 8, .context = 8}};
  unet model(config, 1);
  unet reference(config, 1);
  for (auto* each : {&model, &reference}) {
    sysdpo::generator random(each == &model ? 5 : 6);
    for (auto& weight : each->parameters())
      for (index_t i = 0; i < weight.value.size(); ++i)
        weight.value.data()[i] += 0.1 * static_cast<double>(random.normal());
  }
  auto options = few_steps;
  options.draws = 2;
  options.prediction = prediction_kind::velocity;
  auto const images = some_images<gray>(2);
  auto const rows = rows_of<gray>(images);
  auto const record = gray_policy::reference(reference, options, std::span(rows));
  auto const check = [&](auto const& score) {
    auto const sum = [&] {
      sysdpo::tape<cpu, double> tape(sysdpo::recording::off);
      auto const y = score(tape).value();
      return 1.5 * y.data()[0] - y.data()[1];
    };
    sysdpo::tape<cpu, double> tape;
    tape.backward(score(tape), tensor<double>::from_host({2}, std::vector{1.5, -1.0}));
    index_t counter = 0;
    for (auto& weight : model.parameters()) {
      for (index_t i = 0; i < weight.value.size(); ++i) {
        if (++counter % 37 != 0) continue;
        auto& element = weight.value.data()[i];
        auto const original = element;
        element = original + 1e-5;
        auto const above = sum();
        element = original - 1e-5;
        auto const below = sum();
        element = original;
        INFO(weight.name << " " << i);
        REQUIRE(weight.gradient.value.data()[i] == Approx((above - below) / 2e-5).epsilon(1e-5).margin(1e-6));
      }
      weight.gradient.clear();
    }
  };
  check([&](auto& tape) { return gray_policy::log_ratio(tape, model, record, options, std::span(rows)); });
  check([&](auto& tape) { return gray_policy::loss(tape, model, options, std::span(rows)); });
}

TEST_CASE("a draw's step and its noise are independent", "[policy]") {
  auto const images = some_images(2000);
  auto const rows = rows_of<small>(images);
  auto const drawn = policy::reference(ours, few_steps, std::span(rows)).rows;
  auto const steps = drawn.steps.to_host();
  auto const noise = drawn.target.to_host();  // under ε-prediction
  auto const size = noise.size() / steps.size();
  for (std::size_t pixel = 0; pixel < size; ++pixel) {
    double correlation = 0;
    for (std::size_t r = 0; r < steps.size(); ++r)
      correlation += (steps[r] - 5.5) / std::sqrt(99.0 / 12) * noise[r * size + pixel] / 2000;
    CHECK(std::abs(correlation) < 0.1);  // 4.5 standard errors
  }
}

TEST_CASE("every option that changes scores changes the settings, and no other", "[policy]") {
  auto const settings = [](auto const& change) {
    auto options = few_steps;
    change(options);
    return policy::settings(options);
  };
  auto const before = settings([](auto&) {});
  CHECK(settings([](auto& o) { o.sampling.steps = 3; }) == before);
  std::vector<std::string> const changed{
      settings([](auto& o) { o.schedule.kind = sysdpo::schedule_kind::linear; }),
      settings([](auto& o) { o.schedule.steps = 11; }),
      settings([](auto& o) { o.schedule.beta_start = 2e-4; }),
      settings([](auto& o) { o.schedule.beta_end = 0.03; }),
      settings([](auto& o) { o.schedule.cosine_offset = 0.01; }),
      settings([](auto& o) { o.schedule.largest_beta = 0.9; }),
      settings([](auto& o) { o.prediction = prediction_kind::velocity; }),
      settings([](auto& o) { o.weight = loss_weight::elbo; }),
      settings([](auto& o) { o.reduce = reduction::sum; }),
      settings([](auto& o) { o.draws = 2; }),
      settings([](auto& o) { o.steps_factor = std::nextafter(1.0, 2.0); }),
      settings([](auto& o) { o.steps_factor = 1; }),
      settings([](auto& o) { o.first_step = 2; }),
      settings([](auto& o) { o.last_step = 9; }),
      settings([](auto& o) { o.share_draws = false; }),
      settings([](auto& o) { o.begin = 7; }),
      settings([](auto& o) { o.end = 7; })};
  for (std::size_t i = 0; i < changed.size(); ++i) {
    CHECK(changed[i] != before);
    for (std::size_t k = 0; k < i; ++k) CHECK(changed[i] != changed[k]);
  }
}
