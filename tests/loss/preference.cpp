#include "sysdpo/loss/preference.hpp"

#include <array>

#include "support/catch.hpp"
#include "support/tabular_systems.hpp"
#include "sysdpo/loss/metrics.hpp"
#include "sysdpo/optim/adamw.hpp"

using namespace test;

namespace {

std::vector<sysdpo::preference<skip_system>> some_pairs() {
  std::vector<sysdpo::preference<skip_system>> pairs;
  for (int i = 0; i < 6; ++i)
    pairs.push_back({.id = static_cast<std::uint64_t>(i),
                     .chosen = outcome<skip_system>(i % 3, (i + 1) % 3),
                     .rejected = outcome<skip_system>((i + 2) % 3, (i * 2) % 3)});
  return pairs;
}

std::vector<double> gradients_of(double_models<skip_system>& models) {
  std::vector<double> all;
  models.for_each([&](auto, auto& model) {
    for (auto& weight : model.parameters())
      if (weight.gradient.filled) {
        auto const host = weight.gradient.value.to_host();
        all.insert(all.end(), host.begin(), host.end());
      }
  });
  return all;
}

}  // namespace

TEST_CASE("the loss of a batch is the closed form over the joint distribution", "[loss]") {
  auto policy = random_models<skip_system>(1);
  auto reference = random_models<skip_system>(2);
  auto const p = joint_of(policy);
  auto const q = joint_of(reference);
  auto const pairs = some_pairs();
  double_loss<skip_system> loss(policy, reference, {}, {.beta = 0.7});
  auto const metrics = sysdpo::metrics_of<skip_system>(loss.score(visits_of(pairs)), loss.options());

  double expected = 0;
  double margin = 0;
  for (auto const& pair : pairs) {
    auto const at = [](auto const& s) {
      return static_cast<std::size_t>(sysdpo::get<draft>(s) * 3 + sysdpo::get<answer>(s));
    };
    auto const w = at(pair.chosen);
    auto const l = at(pair.rejected);
    auto const delta = 0.7 * (std::log(p[w] / q[w]) - std::log(p[l] / q[l]));
    expected += std::log1p(std::exp(-delta)) / 6;
    margin += delta / 6;
  }
  REQUIRE(metrics.at("loss") == Approx(expected).epsilon(1e-12));
  REQUIRE(metrics.at("rewards/margins") == Approx(margin).epsilon(1e-12));
  REQUIRE(metrics.at("node/draft/rewards/margins") + metrics.at("node/answer/rewards/margins") ==
          Approx(margin).epsilon(1e-12));
}

TEST_CASE("log-probabilities are the policy's, summed over nodes", "[loss]") {
  auto policy = random_models<skip_system>(1);
  auto reference = random_models<skip_system>(2);
  auto const p = joint_of(policy);
  auto const pairs = some_pairs();
  double_loss<skip_system> loss(policy, reference, {}, {.beta = 0.7});
  auto const metrics = sysdpo::metrics_of<skip_system>(loss.score(visits_of(pairs)), loss.options());
  for (bool const is_chosen : {true, false}) {
    double expected = 0;
    for (auto const& pair : pairs) {
      auto const& side = is_chosen ? pair.chosen : pair.rejected;
      expected +=
          std::log(p[static_cast<std::size_t>(sysdpo::get<draft>(side) * 3 + sysdpo::get<answer>(side))]) / 6;
    }
    std::string const name = is_chosen ? "logps/chosen" : "logps/rejected";
    CHECK(metrics.at(name) == Approx(expected).epsilon(1e-12));
    CHECK(metrics.at("node/draft/" + name) + metrics.at("node/answer/" + name) ==
          Approx(expected).epsilon(1e-12));
  }
}

TEST_CASE("a policy that equals its reference has a loss of exactly log 2", "[loss]") {
  auto policy = random_models<skip_system>(1);
  auto reference = policy;
  auto const pairs = some_pairs();
  double_loss<skip_system> loss(policy, reference, {}, {});
  auto const result = loss.score(visits_of(pairs));
  for (auto const value : result.losses.to_host()) REQUIRE(value == std::log(2.0));
}

TEST_CASE("swapping chosen and rejected negates the margin", "[loss]") {
  auto policy = random_models<skip_system>(1);
  auto reference = random_models<skip_system>(2);
  auto const pairs = some_pairs();
  auto swapped = pairs;
  for (auto& pair : swapped) std::swap(pair.chosen, pair.rejected);
  double_loss<skip_system> loss(policy, reference, {}, {});
  auto const a = loss.score(visits_of(pairs)).scores.to_host();
  auto const b = loss.score(visits_of(swapped)).scores.to_host();
  for (std::size_t i = 0; i < 6; ++i) REQUIRE(a[i] - a[6 + i] == -(b[i] - b[6 + i]));
}

TEST_CASE("gradients agree with finite differences of the loss, for every link", "[loss]") {
  auto const check = [](auto link) {
    auto policy = random_models<skip_system>(1);
    auto reference = random_models<skip_system>(2);
    auto const pairs = some_pairs();
    sysdpo::preference_options<skip_system, decltype(link)> options{.beta = 0.7, .link = link};
    options.scales.template at<answer>() = 1.5;
    double_loss<skip_system, decltype(link)> loss(policy, reference, {}, options);
    auto const visits = visits_of(pairs);
    loss.accumulate(visits);
    auto const mean_loss = [&] {
      double sum = 0;
      for (auto const value : loss.score(visits).losses.to_host()) sum += value;
      return sum / 6;
    };
    policy.for_each([&](auto, auto& model) {
      for (auto& weight : model.parameters())
        for (sysdpo::index_t i = 0; i < weight.value.size(); ++i) {
          auto& element = weight.value.data()[i];
          auto const original = element;
          element = original + 1e-6;
          auto const above = mean_loss();
          element = original - 1e-6;
          auto const below = mean_loss();
          element = original;
          REQUIRE(weight.gradient.value.data()[i] == Approx((above - below) / 2e-6).margin(1e-8));
        }
    });
  };
  check(sysdpo::logistic{});
  check(sysdpo::label_smoothed{0.1});
  check(sysdpo::robust{0.1});
  check(sysdpo::hinge{});
  check(sysdpo::ipo{});
}

TEST_CASE("two passes give the gradients of one, in pieces too", "[loss]") {
  auto const pairs = some_pairs();
  auto const gradients = [&](bool two_pass, sysdpo::index_t rows) {
    auto policy = random_models<skip_system>(1);
    auto reference = random_models<skip_system>(2);
    double_loss<skip_system> loss(policy, reference, {}, {.two_pass = two_pass, .rows_per_piece = rows});
    loss.accumulate(visits_of(pairs));
    return gradients_of(policy);
  };
  auto const once = gradients(false, 0);
  REQUIRE(once == gradients(true, 0));
  auto const pieces = gradients(true, 5);
  REQUIRE(pieces.size() == once.size());
  for (std::size_t i = 0; i < once.size(); ++i) REQUIRE(pieces[i] == Approx(once[i]).margin(1e-14));
}

TEST_CASE("a frozen node that equals its reference is not scored and keeps its weights", "[loss]") {
  auto policy = random_models<skip_system>(1);
  auto reference = policy;
  policy.get<draft_table>().parameters().set_trainable(false);
  auto const before = policy.get<draft_table>().parameters().begin()->value.to_host();
  double_loss<skip_system> loss(policy, reference, {}, {});
  REQUIRE_FALSE(loss.takes_part<draft>());
  REQUIRE(loss.takes_part<answer>());
  auto const pairs = some_pairs();
  loss.accumulate(visits_of(pairs));
  REQUIRE_FALSE(policy.get<draft_table>().parameters().begin()->gradient.filled);
  REQUIRE_FALSE(static_cast<bool>(policy.get<draft_table>().parameters().begin()->gradient.value));
  REQUIRE(policy.get<answer_table>().parameters().begin()->gradient.filled);
  sysdpo::adamw<sysdpo::cpu, double_precision> optimizer({.weight_decay = 0.1});
  optimizer.step(policy.get<draft_table>().parameters(), 0.1);
  REQUIRE(policy.get<draft_table>().parameters().begin()->value.to_host() == before);
}

TEST_CASE("a frozen node that differs from its reference still counts", "[loss]") {
  auto policy = random_models<skip_system>(1);
  auto reference = random_models<skip_system>(2);
  auto const pairs = some_pairs();
  double_loss<skip_system> thawed(policy, reference, {}, {});
  auto const expected = thawed.score(visits_of(pairs)).losses.to_host();
  policy.get<draft_table>().parameters().set_trainable(false);
  double_loss<skip_system> frozen(policy, reference, {}, {});
  REQUIRE(frozen.accumulate(visits_of(pairs)).losses.to_host() == expected);
  REQUIRE_FALSE(policy.get<draft_table>().parameters().begin()->gradient.filled);
}

TEST_CASE("a step takes no memory from the system once it is warm", "[loss]") {
  auto policy = random_models<skip_system>(1);
  auto reference = random_models<skip_system>(2);
  auto const pairs = some_pairs();
  auto const visits = visits_of(pairs);
  double_loss<skip_system> loss(policy, reference, {}, {});
  for (int i = 0; i < 2; ++i) loss.accumulate(visits);
  auto const before = sysdpo::cpu::memory().system_allocations();
  for (int i = 0; i < 5; ++i) loss.accumulate(visits);
  REQUIRE(sysdpo::cpu::memory().system_allocations() == before);
}

TEST_CASE("a call after one that threw gives what it gives by itself", "[loss]") {
  auto policy = random_models<skip_system>(1);
  auto reference = random_models<skip_system>(2);
  auto const pairs = some_pairs();
  auto broken = pairs;
  sysdpo::get<answer>(broken[3].rejected) =
      7;  // the draft's group is scored by the time that this one throws
  double_loss<skip_system> loss(policy, reference, {}, {});
  auto const expected = loss.score(visits_of(pairs)).scores.to_host();
  REQUIRE_THROWS_AS(loss.accumulate(visits_of(broken)), sysdpo::error);
  REQUIRE(loss.score(visits_of(pairs)).scores.to_host() == expected);
}

TEST_CASE("one object cannot be policy and reference", "[loss]") {
  auto models = random_models<skip_system>(1);
  REQUIRE_THROWS_WITH((double_loss<skip_system>(models, models, {}, {})), Catch::Contains("one object"));
}

TEST_CASE("options out of range and empty batches are refused", "[loss]") {
  auto policy = random_models<skip_system>(1);
  auto reference = policy;
  REQUIRE_THROWS_WITH((double_loss<skip_system>(policy, reference, {}, {.beta = 0})),
                      Catch::Contains("beta"));
  REQUIRE_THROWS_AS((double_loss<skip_system>(policy, reference, {}, {.beta = -1})), sysdpo::error);
  REQUIRE_THROWS_AS((double_loss<skip_system>(policy, reference, {}, {.beta = std::nan("")})), sysdpo::error);
  double_loss<skip_system> loss(policy, reference, {}, {});
  REQUIRE_THROWS_AS(loss.score({}), sysdpo::error);
}

// At the optimum of the population loss the policy's joint is the reference tilted by the preferences'
// reward: with p*(s ≻ s') = σ(R(s) − R(s')), p_θ ∝ p_ref · exp(R / β) (method, §6).
namespace {

template <class System, class Reward>
double residual_at_optimum(Reward const& reward, double beta) {
  auto reference = random_models<System>(5);
  auto policy = reference;
  std::vector<sysdpo::preference<System>> pairs;
  for (int a = 0; a < 9; ++a)
    for (int b = 0; b < 9; ++b)
      if (a != b)
        pairs.push_back({.id = pairs.size(),
                         .chosen = outcome<System>(a / 3, a % 3),
                         .rejected = outcome<System>(b / 3, b % 3),
                         .weight = sysdpo::sigmoid(reward(a / 3, a % 3) - reward(b / 3, b % 3))});
  auto const visits = visits_of(pairs);
  double_loss<System> loss(policy, reference, {}, {.beta = beta});
  double rate = 0.05;
  std::vector<sysdpo::adamw<sysdpo::cpu, double_precision>> optimizers(
      2, sysdpo::adamw<sysdpo::cpu, double_precision>{});
  for (int step = 0; step < 4000; ++step, rate *= 0.9965) {
    policy.for_each([](auto, auto& model) { model.parameters().clear_gradients(); });
    loss.accumulate(visits);
    policy.for_each([&](auto index, auto& model) { optimizers[index].step(model.parameters(), rate); });
  }
  auto tilted = joint_of(reference);
  double sum = 0;
  for (int s = 0; s < 9; ++s)
    sum += tilted[static_cast<std::size_t>(s)] *= std::exp(reward(s / 3, s % 3) / beta);
  auto const reached = joint_of(policy);
  double residual = 0;
  for (std::size_t s = 0; s < 9; ++s) residual = std::max(residual, std::abs(reached[s] - tilted[s] / sum));
  return residual;
}

}  // namespace

TEST_CASE("training reaches the tilted optimum with a skip edge", "[loss]") {
  auto const coupled = [](int y, int z) {
    return std::array{0.3, -0.2, 0.9, 0.1, 0.5, -0.7, 0.0, 0.4, -0.1}[static_cast<std::size_t>(y * 3 + z)];
  };
  REQUIRE(residual_at_optimum<skip_system>(coupled, 0.5) < 1e-6);
}

TEST_CASE("training reaches the tilted optimum in a chain for a single prompt", "[loss]") {
  auto const coupled = [](int y, int z) { return 0.4 * y - 0.3 * z + 0.5 * (y == z); };
  REQUIRE(residual_at_optimum<chain_system>(coupled, 1.0) < 1e-6);
}
