// The loss of a whole system: a tiny author writes three captions, one tiny painter draws an image for each.
#include "support/storybook.hpp"
#include "support/catch.hpp"
#include "sysdpo/loss/metrics.hpp"
#include "sysdpo/loss/preference.hpp"
#include "sysdpo/optim/adamw.hpp"

namespace {

using sysdpo::cpu;
using sysdpo::index_t;

using namespace test;
using author = author_of<3>;
using storybook = storybook_of<3>;
static_assert(storybook::model_count == 2 && storybook::loss_is == sysdpo::loss_kind::surrogate);

template <class T>
using models_of = sysdpo::models<storybook, cpu, sysdpo::precision<T>>;
template <class T, class Link = sysdpo::logistic>
using loss_of = sysdpo::preference_loss<storybook, cpu, sysdpo::precision<T>, Link>;

sysdpo::model_configs<storybook> const sizes{tiny_author(), tiny_painter(true, 8)};

/// Weights away from their start, where painters predict nothing.
template <class T>
models_of<T> some_models(std::uint64_t seed) {
  models_of<T> models(sizes, 1);
  sysdpo::generator random(seed);
  models.for_each([&](auto, auto& model) {
    for (auto& weight : model.parameters())
      for (index_t i = 0; i < weight.value.size(); ++i)
        weight.value.data()[i] += static_cast<T>(0.1F * random.normal());
  });
  return models;
}

std::vector<sysdpo::preference<storybook>> some_pairs() {
  sysdpo::generator random(3);
  auto const words = [&] {
    std::vector<std::int32_t> text;
    for (std::uint64_t left = 1 + random.uniform_index(3); left > 0; --left)
      text.push_back(static_cast<std::int32_t>(3 + random.uniform_index(6)));
    return text;
  };
  auto const page = [&] {
    sysdpo::assignment<storybook> values;
    sysdpo::get<prompt>(values) = {4, 5};
    sysdpo::get<writer>(values) = {words(), words(), words()};
    for (auto* image :
         {&sysdpo::get<panel<0>>(values), &sysdpo::get<panel<1>>(values), &sysdpo::get<panel<2>>(values)}) {
      std::vector<float> pixels(16);
      for (auto& pixel : pixels) pixel = 0.5F * random.normal();
      *image = sysdpo::pixels<1, 4, 4>(pixels);
    }
    return values;
  };
  std::vector<sysdpo::preference<storybook>> pairs;
  for (std::uint64_t id = 0; id < 4; ++id) pairs.push_back({.id = id, .chosen = page(), .rejected = page()});
  return pairs;
}

std::vector<sysdpo::pair_visit<storybook>> visits_of(
    std::vector<sysdpo::preference<storybook>> const& pairs) {
  std::vector<sysdpo::pair_visit<storybook>> visits;
  for (auto const& pair : pairs) visits.push_back({&pair, 1});
  return visits;
}

/// All gradients of the model `Model`, zeros where nothing was added.
template <class Model, class T>
std::vector<T> gradients_of(models_of<T>& models) {
  std::vector<T> all;
  for (auto& weight : models.template get<Model>().parameters()) {
    auto const host = weight.gradient.filled ? weight.gradient.value.to_host()
                                             : std::vector<T>(static_cast<std::size_t>(weight.value.size()));
    all.insert(all.end(), host.begin(), host.end());
  }
  return all;
}

sysdpo::policy_options<storybook> few_steps() {
  sysdpo::policy_options<storybook> policies;
  policies.get<painter>().schedule = {.kind = sysdpo::schedule_kind::cosine, .steps = 20};
  return policies;
}

/// The margin itself as the loss: every pair has the same seed, so that nodes do not feel each other.
struct linear_link {
  [[nodiscard]] double value(double h, double beta) const { return -beta * h; }
  [[nodiscard]] double slope(double, double beta) const { return -beta; }
};

/// Largest difference in units of the largest element.
template <class T>
double distance(std::vector<T> const& a, std::vector<T> const& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  double size = 1e-300;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    size = std::max(size, std::abs(static_cast<double>(a[i])));
  }
  return most / size;
}

template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 1e-4 : 1e-12;

}  // namespace

TEMPLATE_TEST_CASE("storybook: equal to its reference, the loss is exactly log 2", "[loss]", float, double) {
  auto policy = some_models<TestType>(1);
  auto reference = policy;
  auto const pairs = some_pairs();
  loss_of<TestType> loss(policy, reference, few_steps(), {.beta = 0.7});
  auto const result = loss.accumulate(visits_of(pairs));
  for (auto const value : result.losses.to_host()) CHECK(value == std::log(2.0));
  for (auto const ratio : result.ratios.to_host()) CHECK(ratio == TestType{0});
  auto const nonzero = [](auto const& gradient) {
    return std::any_of(gradient.begin(), gradient.end(), [](auto x) { return x != 0; });
  };
  CHECK(nonzero(gradients_of<author_model>(policy)));
  CHECK(nonzero(gradients_of<painter_model>(policy)));
}

TEMPLATE_TEST_CASE("storybook: swapping the sides negates every margin", "[loss]", float, double) {
  auto policy = some_models<TestType>(1);
  auto reference = some_models<TestType>(2);
  auto const pairs = some_pairs();
  auto swapped = pairs;
  for (auto& pair : swapped) std::swap(pair.chosen, pair.rejected);
  loss_of<TestType> loss(policy, reference, few_steps(), {});
  auto const a = loss.score(visits_of(pairs)).scores.to_host();
  auto const b = loss.score(visits_of(swapped)).scores.to_host();
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    REQUIRE(std::abs(a[i] - a[4 + i]) > 0.01);
    CHECK(a[i] - a[4 + i] == Approx(-(b[i] - b[4 + i])).epsilon(10 * tolerance<TestType>));
  }
}

TEMPLATE_TEST_CASE("storybook: two passes are one pass bit for bit, and in pieces nearly", "[loss]", float,
                   double) {
  auto const pairs = some_pairs();
  auto const gradients = [&](bool two_pass, index_t rows) {
    auto policy = some_models<TestType>(1);
    auto reference = some_models<TestType>(2);
    loss_of<TestType> loss(policy, reference, few_steps(),
                           {.beta = 0.7, .two_pass = two_pass, .rows_per_piece = rows});
    auto const losses = loss.accumulate(visits_of(pairs)).losses.to_host();
    return std::tuple(losses, gradients_of<author_model>(policy), gradients_of<painter_model>(policy));
  };
  auto const once = gradients(false, 0);
  CHECK(once == gradients(true, 0));
  auto const [losses, of_author, of_painter] = gradients(true, 5);
  CHECK(distance(std::get<0>(once), losses) < 10 * tolerance<TestType>);
  CHECK(distance(std::get<1>(once), of_author) < tolerance<TestType>);
  CHECK(distance(std::get<2>(once), of_painter) < tolerance<TestType>);
}

TEMPLATE_TEST_CASE("storybook: the painter's gradient is the sum of its three panels'", "[loss]", float,
                   double) {
  auto const pairs = some_pairs();
  auto const gradients = [&](std::array<double, 4> const& scales) {
    auto policy = some_models<TestType>(1);
    auto reference = some_models<TestType>(2);
    sysdpo::preference_options<storybook, linear_link> options{.beta = 0.7};
    options.scales.template at<writer>() = scales[0];
    options.scales.template at<panel<0>>() = scales[1];
    options.scales.template at<panel<1>>() = scales[2];
    options.scales.template at<panel<2>>() = scales[3];
    loss_of<TestType, linear_link> loss(policy, reference, few_steps(), options);
    loss.accumulate(visits_of(pairs));
    return std::pair(gradients_of<author_model>(policy), gradients_of<painter_model>(policy));
  };
  auto const all = gradients({1, 1, 1, 2});
  auto const first = gradients({0, 1, 0, 0});
  auto const second = gradients({0, 0, 1, 0});
  auto const third = gradients({0, 0, 0, 2});
  auto sum = first.second;
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += second.second[i] + third.second[i];
  CHECK(distance(all.second, sum) < tolerance<TestType>);
  CHECK(distance(first.second, second.second) > 0.01);
  CHECK(distance(second.second, third.second) > 0.01);
  CHECK(first.first == std::vector<TestType>(first.first.size()));  // no node sends gradients to another
  CHECK(gradients({1, 0, 0, 0}).first == all.first);
}

TEST_CASE("storybook: gradients agree with finite differences of the loss", "[loss]") {
  auto policy = some_models<double>(1);
  auto reference = some_models<double>(2);
  auto const pairs = some_pairs();
  auto const visits = visits_of(pairs);
  sysdpo::preference_options<storybook> options{.beta = 0.7};
  options.scales.at<panel<1>>() = 2.5;
  loss_of<double> loss(policy, reference, few_steps(), options);
  loss.accumulate(visits);
  auto const mean_loss = [&] {
    auto const losses = loss.score(visits).losses.to_host();
    return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
  };
  policy.for_each([&](auto, auto& model) {
    index_t counter = 0;
    for (auto& weight : model.parameters())
      for (index_t i = 0; i < weight.value.size(); ++i) {
        if (++counter % 61 != 0) continue;
        auto& element = weight.value.data()[i];
        auto const original = element;
        element = original + 1e-5;
        auto const above = mean_loss();
        element = original - 1e-5;
        auto const below = mean_loss();
        element = original;
        INFO(weight.name << " " << i);
        REQUIRE(weight.gradient.value.data()[i] == Approx((above - below) / 2e-5).epsilon(1e-5).margin(1e-7));
      }
  });
}

TEST_CASE("storybook: a node's rejected gradient is softened as asked, and the loss is not", "[loss]") {
  auto const pairs = some_pairs();
  auto others = pairs;
  for (std::size_t i = 0; i < pairs.size(); ++i) others[i].rejected = pairs[(i + 1) % pairs.size()].rejected;
  struct outcome {
    std::vector<double> losses, author, painter;
  };
  auto const run = [&](double of_writer, double of_panels, auto const& data) {
    auto policy = some_models<double>(1);
    auto reference = some_models<double>(2);
    sysdpo::preference_options<storybook, linear_link> options{.beta = 0.7};
    options.rejected_gradient = sysdpo::node_numbers<storybook>::all(of_panels);
    options.rejected_gradient.at<writer>() = of_writer;
    loss_of<double, linear_link> loss(policy, reference, few_steps(), options);
    auto losses = loss.accumulate(visits_of(data)).losses.to_host();
    return outcome{std::move(losses), gradients_of<author_model>(policy),
                   gradients_of<painter_model>(policy)};
  };
  auto const full = run(1, 1, pairs);
  auto const chosen = run(0, 0, pairs);
  auto const soft = run(1, 0.3, pairs);
  CHECK(soft.losses == full.losses);
  CHECK(soft.author == full.author);
  CHECK(distance(full.author, chosen.author) > 0.01);
  CHECK(distance(full.painter, chosen.painter) > 0.01);
  auto expected = chosen.painter;
  for (std::size_t i = 0; i < expected.size(); ++i)
    expected[i] += 0.3 * (full.painter[i] - chosen.painter[i]);
  CHECK(distance(soft.painter, expected) < 1e-12);
  auto const elsewhere = run(0, 0, others);  // at 0 the rejected side has no say
  CHECK(distance(elsewhere.author, chosen.author) < 1e-12);
  CHECK(distance(elsewhere.painter, chosen.painter) < 1e-12);

  auto policy = some_models<double>(1);
  auto reference = policy;
  for (auto const wrong : {-0.1, 1.1, std::nan("")}) {
    sysdpo::preference_options<storybook> options;
    options.rejected_gradient.at<panel<1>>() = wrong;
    CHECK_THROWS_WITH((loss_of<double>(policy, reference, few_steps(), options)),
                      Catch::Contains("rejected_gradient"));
  }
}

TEST_CASE("storybook: a frozen painter costs nothing and counts only where it differs", "[loss]") {
  auto const pairs = some_pairs();
  auto const visits = visits_of(pairs);
  auto reference = some_models<float>(2);
  auto same = reference;
  same.get<painter_model>().parameters().set_trainable(false);
  loss_of<float> idle(same, reference, few_steps(), {});
  CHECK(idle.takes_part<writer>());
  CHECK_FALSE(idle.takes_part<panel<1>>());
  idle.accumulate(visits);
  for (auto const& weight : same.get<painter_model>().parameters())
    CHECK_FALSE(static_cast<bool>(weight.gradient.value));

  auto other = some_models<float>(1);
  loss_of<float> trained(other, reference, few_steps(), {});
  auto const expected = trained.score(visits).scores.to_host();
  other.get<painter_model>().parameters().set_trainable(false);
  loss_of<float> frozen(other, reference, few_steps(), {});
  CHECK(frozen.takes_part<panel<1>>());
  CHECK(frozen.accumulate(visits).scores.to_host() == expected);
  for (auto const& weight : other.get<painter_model>().parameters())
    CHECK_FALSE(static_cast<bool>(weight.gradient.value));
}

TEST_CASE("storybook: a warm step takes no memory from the system", "[loss]") {
  auto policy = some_models<float>(1);
  auto reference = some_models<float>(2);
  auto const pairs = some_pairs();
  auto const visits = visits_of(pairs);
  auto const threads = sysdpo::cpu_threads();
  sysdpo::set_cpu_threads(1);  // how many workers hold scratch at once is the scheduler's choice
  for (auto const two_pass : {false, true}) {
    loss_of<float> loss(policy, reference, few_steps(), {.two_pass = two_pass});
    std::vector<sysdpo::adamw<cpu, sysdpo::precision<float>>> optimizers(
        2, sysdpo::adamw<cpu, sysdpo::precision<float>>{});
    auto const step = [&] {
      policy.for_each([](auto, auto& model) { model.parameters().clear_gradients(); });
      loss.accumulate(visits);
      policy.for_each([&](auto index, auto& model) { optimizers[index].step(model.parameters(), 1e-4); });
    };
    step();
    step();
    auto const before = cpu::memory().system_allocations();
    for (int i = 0; i < 4; ++i) step();
    CHECK(cpu::memory().system_allocations() == before);
  }
  sysdpo::set_cpu_threads(threads);
}

TEST_CASE("storybook: draw noise is the deviation of a margin over visits", "[loss]") {
  auto policy = some_models<double>(1);
  auto reference = some_models<double>(2);
  auto const pairs = some_pairs();
  sysdpo::preference_options<storybook> options{.beta = 0.7};
  options.scales = decltype(options.scales)::all(0);
  options.scales.at<writer>() = 1;
  options.scales.at<panel<1>>() = 3;
  loss_of<double> loss(policy, reference, few_steps(), options);
  auto const score = [&](std::uint32_t visit) {
    auto visits = visits_of(pairs);
    for (auto& [pair, number] : visits) number = visit;
    return loss.score(visits);
  };

  // Over many visits the estimate's mean square is the variance within pairs, measured pair by pair.
  int const rounds = 100;
  double estimate = 0;
  std::vector<double> sum(pairs.size()), squares(pairs.size());
  auto const slot = storybook::slot_of[storybook::index_of<panel<1>>];
  for (std::uint32_t i = 0; i < rounds; ++i) {
    auto const a = score(2 * i);
    auto const b = score(2 * i + 1);
    auto const noise = sysdpo::draw_noise_of<storybook>(a, b, options);
    CHECK(noise.at("node/writer/draw_noise") == 0);
    estimate += std::pow(noise.at("node/panel_1/draw_noise"), 2) / rounds;
    for (auto const& result : {a, b}) {
      auto const ratios = result.ratios.to_host();
      for (std::size_t p = 0; p < pairs.size(); ++p) {
        auto const margin =
            0.7 * 3 * (ratios[slot * 2 * pairs.size() + p] - ratios[(slot * 2 + 1) * pairs.size() + p]);
        sum[p] += margin / (2 * rounds);
        squares[p] += margin * margin / (2 * rounds);
      }
    }
  }
  double variance = 0;
  for (std::size_t p = 0; p < pairs.size(); ++p)
    variance += (squares[p] - sum[p] * sum[p]) / static_cast<double>(pairs.size());
  CHECK(variance > 0);
  CHECK(estimate == Approx(variance).epsilon(0.2));
}

TEST_CASE("storybook: the node margins add to the system's, and a node that breaks is named", "[loss]") {
  auto policy = some_models<float>(1);
  auto reference = some_models<float>(2);
  auto const pairs = some_pairs();
  sysdpo::preference_options<storybook> options{.beta = 0.7};
  options.scales.at<panel<2>>() = 3;
  loss_of<float> loss(policy, reference, few_steps(), options);
  auto const metrics = sysdpo::metrics_of<storybook>(loss.score(visits_of(pairs)), options);
  double sum = 0;
  for (auto const* node : {"writer", "panel_0", "panel_1", "panel_2"})
    sum += metrics.at("node/" + std::string(node) + "/rewards/margins");
  CHECK(sum == Approx(metrics.at("rewards/margins")).epsilon(1e-6));

  // The writer's log-probabilities are exact; the painter has a bound only.
  CHECK(metrics.at("logps/chosen") == metrics.at("node/writer/logps/chosen"));
  CHECK(metrics.at("logps/chosen") < 0);
  CHECK(metrics.count("node/panel_0/logps/chosen") == 0);

  policy.get<painter_model>().parameters().find("conv_out.bias")->value.data()[0] = std::nanf("");
  CHECK(sysdpo::first_unsound_node<storybook>(loss.score(visits_of(pairs))) == "panel_0");
}

TEST_CASE("storybook: a frozen model equals its reference only if all its weights do", "[loss]") {
  auto reference = some_models<float>(2);
  auto policy = reference;
  auto& weights = policy.get<painter_model>().parameters();
  weights.set_trainable(false);
  weights.find("conv_out.bias")->value.data()[0] += 0.5F;
  CHECK(loss_of<float>(policy, reference, few_steps(), {}).takes_part<panel<0>>());
}

TEST_CASE("storybook: noise belongs to a pair and a node, not to a place in the batch", "[loss]") {
  auto policy = some_models<double>(1);
  auto reference = some_models<double>(2);
  auto pairs = some_pairs();
  for (auto& pair : pairs)  // what tells panels apart is then their noise
    for (auto* side : {&pair.chosen, &pair.rejected}) {
      sysdpo::get<writer>(*side) = {std::vector<std::int32_t>{4}, {4}, {4}};
      sysdpo::get<panel<1>>(*side) = sysdpo::get<panel<0>>(*side);
      sysdpo::get<panel<2>>(*side) = sysdpo::get<panel<0>>(*side);
    }
  loss_of<double> loss(policy, reference, few_steps(), {});
  auto visits = visits_of(pairs);
  auto const forth = loss.score(visits).ratios.to_host();
  std::reverse(visits.begin(), visits.end());
  auto const back = loss.score(visits).ratios.to_host();
  for (std::size_t row = 0; row < 8; ++row)  // slots and sides, four pairs each
    for (std::size_t pair = 0; pair < 4; ++pair)
      CHECK(forth[4 * row + pair] == Approx(back[4 * row + 3 - pair]).epsilon(1e-10));
  for (std::size_t i = 0; i < 8; ++i) {
    auto const in_panel = [&](std::size_t k) { return forth[8 * (1 + k) + i]; };
    CHECK(std::abs(in_panel(0) - in_panel(1)) > 1e-6);
    CHECK(std::abs(in_panel(1) - in_panel(2)) > 1e-6);
  }
}
