#include "sysdpo/train/trainer.hpp"

#include <limits>
#include <string>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"
#include "train/tabular_training.hpp"

using namespace test;
using Catch::Contains;

namespace {

struct same_again {
  int operator()(int x) const { return x; }
};

}  // namespace

// Pairs that end with the statement are refused while compiling: the trainer only refers to them.
using skip_models = std::remove_cvref_t<decltype(random_models<skip_system>(1))>;
using skip_pairs = decltype(ranked_pairs());
static_assert(std::is_constructible_v<tabular_trainer, skip_models&, skip_models&,
                                      sysdpo::policy_options<skip_system>, skip_pairs&, tabular_options>);
static_assert(!std::is_constructible_v<tabular_trainer, skip_models&, skip_models&,
                                       sysdpo::policy_options<skip_system>, skip_pairs, tabular_options>);

TEST_CASE("training lowers the loss", "[train]") {
  auto policy = random_models<skip_system>(1);
  auto const start = policy;
  auto reference = policy;
  auto const pairs = ranked_pairs();
  tabular_trainer training(policy, reference, {}, pairs, some_training(), pairs);
  auto const before = training.validate();
  REQUIRE(training.run() == 24);
  auto const after = training.validate();
  CHECK(before.at("loss") == Approx(std::log(2.0)));
  CHECK(after.at("loss") < 0.62);
  CHECK(after.at("rewards/accuracies") > 0.9);
  CHECK(weights_of(reference) == weights_of(start));
}

TEST_CASE("a resumed training ends where the uninterrupted one does, bit for bit", "[train]") {
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto reference = start;
  auto options = some_training();
  options.moving_averages = sysdpo::model_numbers<skip_system>::all(0.9);
  auto uninterrupted = start;
  tabular_trainer whole(uninterrupted, reference, {}, pairs, options);
  whole.run();

  test::temporary_directory const folder;
  options.checkpoints = folder / "run";
  options.checkpoint_every = 5;
  for (sysdpo::index_t const stop : {1, 7, 15}) {
    auto policy = start;
    tabular_trainer part(policy, reference, {}, pairs, options);
    auto stopping = stop_at(stop);
    CHECK(part.run({&stopping}) == stop);
  }
  auto resumed = start;
  tabular_trainer rest(resumed, reference, {}, pairs, options);
  CHECK(rest.step() == 15);
  CHECK(rest.run() == 24);
  CHECK(weights_of(resumed) == weights_of(uninterrupted));
  rest.use_averages();
  CHECK(weights_of(resumed) != weights_of(uninterrupted));
  whole.use_averages();
  CHECK(weights_of(resumed) == weights_of(uninterrupted));
}

TEST_CASE("two accumulated batches are one batch of twice the size", "[train]") {
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto reference = random_models<skip_system>(2);
  auto options = some_training();
  options.steps = 3;
  auto small = start;
  auto large = start;
  tabular_trainer accumulating(small, reference, {}, pairs, options);
  options.pairs_per_batch = 10;
  options.batches_per_step = 1;
  tabular_trainer direct(large, reference, {}, pairs, options);
  for (int step = 0; step < 3; ++step) {
    auto const a = accumulating.take_step();
    auto const b = direct.take_step();
    for (auto const* name : {"loss", "rewards/margins", "rewards/accuracies", "model/draft/gradient_norm"})
      CHECK(a.at(name) == Approx(b.at(name)).epsilon(1e-12));
  }
  auto const a = weights_of(small);
  auto const b = weights_of(large);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).margin(1e-12));
}

TEST_CASE("frozen weights are bitwise unchanged", "[train]") {
  auto const pairs = ranked_pairs();
  auto policy = random_models<skip_system>(1);
  policy.get<draft_table>().parameters().set_trainable(false);
  auto reference = random_models<skip_system>(2);
  auto const before = policy.get<draft_table>().parameters().begin()->value.to_host();
  auto const other = policy.get<answer_table>().parameters().begin()->value.to_host();
  auto options = some_training();
  options.optimizer.weight_decay = 0.1;
  tabular_trainer(policy, reference, {}, pairs, options).run();
  CHECK(policy.get<draft_table>().parameters().begin()->value.to_host() == before);
  CHECK(policy.get<answer_table>().parameters().begin()->value.to_host() != other);
}

TEST_CASE("the norm of each model's gradient is clipped by itself", "[train]") {
  auto const pairs = ranked_pairs();
  auto policy = random_models<skip_system>(1);
  auto reference = policy;
  auto options = some_training();
  options.max_gradient_norm = 1e-3;
  options.optimizer = {.beta1 = 0, .beta2 = 0, .epsilon = 1e9};  // so that a step is rate · gradient / 1e9
  options.rates = sysdpo::model_numbers<skip_system>::all(1e9);
  options.schedule = {};
  auto const before = weights_of(policy);
  auto const metrics = tabular_trainer(policy, reference, {}, pairs, options).take_step();
  REQUIRE(metrics.at("model/draft/gradient_norm") > 1e-3);
  REQUIRE(metrics.at("model/answer/gradient_norm") > 1e-3);
  auto const after = weights_of(policy);
  auto const moved = [&](std::size_t begin, std::size_t end) {
    double sum = 0;
    for (auto i = begin; i < end; ++i) sum += (after[i] - before[i]) * (after[i] - before[i]);
    return std::sqrt(sum);
  };
  CHECK(moved(0, 3) == Approx(1e-3).epsilon(1e-4));
  CHECK(moved(3, 12) == Approx(1e-3).epsilon(1e-4));
}

TEST_CASE("weights that break stop the training before they are saved", "[train]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto reference = start;
  auto options = some_training();
  options.checkpoints = folder / "run";
  options.checkpoint_every = 1;
  auto policy = start;
  listener breaking([&](sysdpo::training_event const& event) {
    if (event.step == 5)
      policy.get<answer_table>().parameters().begin()->value.data()[4] =
          std::numeric_limits<double>::quiet_NaN();
    return true;
  });
  {
    tabular_trainer training(policy, reference, {}, pairs, options);
    CHECK_THROWS_WITH(training.run({&breaking}), Contains("step 6") && Contains("'answer'") &&
                                                     Contains("log-ratio") && Contains("checkpoint"));
  }
  auto resumed = start;
  tabular_trainer rest(resumed, reference, {}, pairs, options);
  CHECK(rest.step() == 4);
  CHECK(rest.run() == 24);
  for (auto const weight : weights_of(resumed)) CHECK(std::isfinite(weight));
}

TEST_CASE("a rate beyond all bounds is noticed at the end too", "[train]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto policy = random_models<skip_system>(1);
  auto reference = policy;
  auto options = some_training();
  options.steps = 1;
  options.schedule = {};
  options.rates = sysdpo::model_numbers<skip_system>::all(1e308);
  options.optimizer.epsilon = 1e-300;
  options.checkpoints = folder / "run";
  tabular_trainer training(policy, reference, {}, pairs, options);
  policy.get<draft_table>().parameters().begin()->value.data()[0] = -1e308;
  reference.copy_values(policy);
  CHECK_THROWS_WITH(training.run(), Contains("no finite number"));
  CHECK(sysdpo::detail::checkpoint_steps(folder / "run").empty());
}

TEST_CASE("an unsound step changes nothing, and the training can go on", "[train]") {
  auto const start = random_models<skip_system>(1);
  auto reference = start;
  auto options = some_training();
  options.moving_averages = sysdpo::model_numbers<skip_system>::all(0.9);
  options.batches_per_step = 2;
  auto undisturbed = start;
  auto pairs = ranked_pairs();
  tabular_trainer whole(undisturbed, reference, {}, pairs, options);
  whole.run();

  auto policy = start;
  tabular_trainer training(policy, reference, {}, pairs, options);
  for (sysdpo::index_t step = 0; step < options.steps; ++step) {
    if (step % 5 == 0) {                             // the first among them
      for (auto& pair : pairs) pair.weight = 1e308;  // which gradients can still be, their squares not
      auto const before = weights_of(policy);
      CHECK_THROWS_WITH(training.take_step(), Contains("step " + std::to_string(step + 1)) &&
                                                  Contains("its gradient is no finite number"));
      for (auto& pair : pairs) pair.weight = std::numeric_limits<double>::infinity();
      CHECK_THROWS_WITH(training.take_step(), Contains("is no finite number"));
      for (auto& pair : pairs) pair.weight = 1;
      CHECK(weights_of(policy) == before);
    }
    training.take_step();
  }
  CHECK(weights_of(policy) == weights_of(undisturbed));
  training.use_averages();
  whole.use_averages();
  CHECK(weights_of(policy) == weights_of(undisturbed));
}

TEST_CASE("a system in which no model learns can be stepped", "[train]") {
  using system = sysdpo::system<
      sysdpo::source<question, sysdpo::category<3>>,
      sysdpo::node<answer, sysdpo::deterministic<same_again, sysdpo::category<3>>, sysdpo::from<question>>>;
  static_assert(system::model_count == 0);
  sysdpo::models<system, sysdpo::cpu> policy(sysdpo::model_configs<system>{});
  auto reference = policy;
  std::vector<sysdpo::preference<system>> pairs(2);
  pairs[1].id = 1;
  sysdpo::trainer<system, sysdpo::cpu> training(policy, reference, {}, pairs,
                                                {.steps = 2, .pairs_per_batch = 2});
  CHECK(training.take_step().at("loss") == Approx(std::log(2.0)));
  pairs[0].weight = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(training.take_step(), Contains("no finite number"));
}

TEST_CASE("draw noise is reported when asked, and asking changes nothing", "[train]") {
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto reference = start;
  auto options = some_training();
  auto quiet = start;
  tabular_trainer(quiet, reference, {}, pairs, options).run();
  options.draw_noise_every = 3;
  auto policy = start;
  tabular_trainer training(policy, reference, {}, pairs, options);
  listener listening([](sysdpo::training_event const& event) {
    CHECK(event.metrics.count("draw_noise") == (event.step % 3 == 0 ? 1 : 0));
    if (event.step % 3 == 0) CHECK(event.metrics.at("node/draft/draw_noise") == 0);  // it draws nothing
    return true;
  });
  training.run({&listening});
  CHECK(weights_of(policy) == weights_of(quiet));
}

TEST_CASE("options out of range are refused by name", "[train]") {
  auto const pairs = ranked_pairs();
  auto policy = random_models<skip_system>(1);
  auto reference = policy;
  auto const build = [&](auto change) {
    auto options = some_training();
    change(options);
    tabular_trainer(policy, reference, {}, pairs, options);
  };
  CHECK_THROWS_WITH(build([](auto& o) { o.pairs_per_batch = 0; }), Contains("pairs_per_batch = 0"));
  CHECK_THROWS_WITH(build([](auto& o) { o.batches_per_step = -1; }), Contains("batches_per_step = -1"));
  CHECK_THROWS_WITH(build([](auto& o) { o.max_gradient_norm = std::nan(""); }),
                    Contains("max_gradient_norm"));
  CHECK_THROWS_WITH(build([](auto& o) { o.rates.values[1] = -1; }), Contains("learning rate"));
  CHECK_THROWS_WITH(build([](auto& o) { o.loss.beta = 0; }), Contains("beta"));
  CHECK_THROWS_WITH(build([](auto& o) { o.optimizer.beta2 = 1; }), Contains("beta2"));
  CHECK_THROWS_WITH(build([](auto& o) { o.moving_averages.values[0] = 1; }), Contains("decay"));
  CHECK_THROWS_WITH(build([](auto& o) { o.moving_averages.values[0] = -0.9; }), Contains("decay = -0.9"));
  CHECK_THROWS_WITH(build([](auto& o) { o.moving_averages.values[0] = std::nan(""); }), Contains("decay"));
  CHECK_THROWS_WITH(build([](auto& o) { o.schedule.warmup_steps = -1; }), Contains("warmup_steps = -1"));
  CHECK_THROWS_WITH(build([](auto& o) { o.schedule.final_factor = std::nan(""); }), Contains("final_factor"));
  CHECK_THROWS_WITH(build([](auto& o) { o.schedule.final_factor = -0.1; }), Contains("final_factor = -0.1"));
  CHECK_THROWS_WITH(build([](auto& o) { o.validate_every = -1; }), Contains("validate_every = -1"));
  std::vector<sysdpo::preference<skip_system>> const none;
  CHECK_THROWS_WITH(tabular_trainer(policy, reference, {}, none, some_training()),
                    Contains("there are none"));
}

namespace {

struct photo {
  static constexpr auto name = "photo";
};
struct brightness {
  static constexpr auto name = "brightness";
};
using small_image = sysdpo::image<1, 2, 2>;
struct mean_brightness {
  double operator()(small_image::type const& image) const {
    double sum = 0;
    for (auto const pixel : image.values()) sum += static_cast<double>(pixel);
    return sum / static_cast<double>(image.values().size());
  }
};

/// Photographs in proportion to exp of a weight; enough of a policy for the trainer's checks of its data.
struct photographer {
  using value = small_image;
  using model = draft_table;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;
  template <class Backend, class T>
  static sysdpo::variable<Backend, T> log_prob(sysdpo::tape<Backend, T>&, auto&, auto const&, auto) {
    return {};
  }
};

using photo_system = sysdpo::system<
    sysdpo::source<question, sysdpo::category<2>>, sysdpo::node<photo, photographer, sysdpo::from<question>>,
    sysdpo::node<brightness, sysdpo::deterministic<mean_brightness, sysdpo::scalar>, sysdpo::from<photo>>>;

sysdpo::assignment<photo_system> photo_of(std::vector<float> const& pixels) {
  sysdpo::assignment<photo_system> values;
  sysdpo::get<photo>(values) = small_image::type(pixels);
  sysdpo::get<brightness>(values) = mean_brightness{}(sysdpo::get<photo>(values));
  return values;
}

}  // namespace

TEST_CASE("bad data is refused with the pair and the node", "[train]") {
  double_models<photo_system> policy({{.contexts = 1, .categories = 1}});
  auto reference = policy;
  std::vector<sysdpo::preference<photo_system>> const good{
      {.id = 7, .chosen = photo_of({1, 0, 0, 0}), .rejected = photo_of({0, 0, 1, 1})},
      {.id = 9, .chosen = photo_of({1, 1, 0, 0}), .rejected = photo_of({0, 0, 0, 1})}};
  auto const check = [&](auto change) {
    auto pairs = good;
    change(pairs);
    sysdpo::trainer<photo_system, sysdpo::cpu, double_precision>(policy, reference, {}, pairs, {});
  };
  CHECK_NOTHROW(check([](auto&) {}));
  CHECK_THROWS_WITH(check([](auto& pairs) { pairs[1].id = 7; }), Contains("pair 7") && Contains("twice"));
  CHECK_THROWS_WITH(check([](auto& pairs) { pairs[1].weight = std::nan(""); }),
                    Contains("pair 9") && Contains("weight"));
  CHECK_THROWS_WITH(check([](auto& pairs) { sysdpo::get<question>(pairs[0].rejected) = 1; }),
                    Contains("pair 7") && Contains("source 'question'"));
  CHECK_THROWS_WITH(
      check([](auto& pairs) { sysdpo::get<photo>(pairs[1].rejected)(1, 1, 0) = std::nanf(""); }),
      Contains("pair 9, rejected, node 'photo'") && Contains("pixel"));
  CHECK_THROWS_WITH(check([](auto& pairs) { sysdpo::get<photo>(pairs[0].chosen) = {}; }),
                    Contains("pair 7, chosen, node 'photo'") && Contains("missing"));
  CHECK_THROWS_WITH(check([](auto& pairs) { sysdpo::get<brightness>(pairs[0].chosen) += 0.5; }),
                    Contains("pair 7, chosen, node 'brightness'") && Contains("tool"));
}

namespace {

template <int K>
struct panel {
  static constexpr auto name = "panel";
  static constexpr int index = K;
};
template <int K>
struct panel_weights {
  static constexpr auto name = "panel";
  static constexpr int index = K;
};

template <int K, int Weights>
using panel_node = sysdpo::node<panel<K>, sysdpo::tabular<sysdpo::table<panel_weights<Weights>>, three>,
                                sysdpo::from<draft>>;
using shared_system = sysdpo::system<sysdpo::source<question, sysdpo::category<1>>, draft_node,
                                     panel_node<0, 0>, panel_node<1, 0>, panel_node<2, 0>>;
using separate_system = sysdpo::system<sysdpo::source<question, sysdpo::category<1>>, draft_node,
                                       panel_node<0, 0>, panel_node<1, 1>, panel_node<2, 2>>;

template <class System>
sysdpo::assignment<System> panels(int y, int a, int b, int c) {
  sysdpo::assignment<System> values;
  sysdpo::get<draft>(values) = y;
  sysdpo::get<panel<0>>(values) = a;
  sysdpo::get<panel<1>>(values) = b;
  sysdpo::get<panel<2>>(values) = c;
  return values;
}

/// The gradient of each model after one batch; all panels' tables hold the same numbers.
template <class System>
std::vector<std::vector<double>> panel_gradients() {
  sysdpo::table_config const drafts{.contexts = 1, .categories = 3};
  sysdpo::table_config const table{.contexts = 3, .categories = 3};
  auto const configs = [&] {
    if constexpr (System::model_count == 2)
      return sysdpo::model_configs<System>{drafts, table};
    else
      return sysdpo::model_configs<System>{drafts, table, table, table};
  }();
  double_models<System> policy(configs);
  double_models<System> reference(configs);
  policy.for_each([](auto index, auto& model) {
    auto& logits = model.parameters().begin()->value;
    for (sysdpo::index_t i = 0; i < logits.size(); ++i)
      logits.data()[i] = std::sin(static_cast<double>(i) + (index == 0 ? 0.5 : 1.0));
  });
  std::vector<sysdpo::preference<System>> const pairs{
      {.id = 0, .chosen = panels<System>(0, 1, 2, 2), .rejected = panels<System>(1, 1, 0, 0)},
      {.id = 1, .chosen = panels<System>(2, 0, 1, 2), .rejected = panels<System>(2, 2, 2, 1)}};
  double_loss<System>(policy, reference, {}, {.beta = 0.7}).accumulate(visits_of(pairs));
  std::vector<std::vector<double>> gradients;
  policy.for_each(
      [&](auto, auto& model) { gradients.push_back(model.parameters().begin()->gradient.value.to_host()); });
  return gradients;
}

}  // namespace

TEST_CASE("a model shared by three nodes gets three gradients", "[train]") {
  auto const shared = panel_gradients<shared_system>();
  auto const separate = panel_gradients<separate_system>();
  REQUIRE(shared.size() == 2);
  REQUIRE(separate.size() == 4);
  for (std::size_t i = 0; i < 3; ++i) CHECK(shared[0][i] == Approx(separate[0][i]).margin(1e-14));
  for (std::size_t i = 0; i < 9; ++i) {
    CHECK(shared[1][i] == Approx(separate[1][i] + separate[2][i] + separate[3][i]).margin(1e-14));
  }
  CHECK(separate[1] != separate[2]);
}

TEST_CASE("a gradient within its limit is left as it is", "[train]") {
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto reference = random_models<skip_system>(2);
  auto options = some_training();
  options.optimizer = {.beta1 = 0, .beta2 = 0, .epsilon = 1e9};  // steps follow the size of gradients
  options.rates = sysdpo::model_numbers<skip_system>::all(1e9);
  auto const after = [&](double limit) {
    options.max_gradient_norm = limit;
    auto policy = start;
    tabular_trainer(policy, reference, {}, pairs, options).take_step();
    return weights_of(policy);
  };
  CHECK(after(1e6) == after(0));
  CHECK(after(1e-6) != after(0));
}

TEST_CASE("step n of a training has factor n of its schedule, from 0", "[train]") {
  auto const pairs = ranked_pairs();
  auto policy = random_models<skip_system>(1);
  auto reference = policy;
  auto const options = some_training();
  tabular_trainer training(policy, reference, {}, pairs, options);
  for (sysdpo::index_t step = 0; step < 6; ++step)
    CHECK(training.take_step().at("learning_rate_factor") == options.schedule.factor(step, options.steps));
}

namespace {

/// The tabular policy, which also notes the keys of the chosen rows that it is trained on.
struct witness {
  using value = three;
  using model = draft_table;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;
  static inline std::vector<sysdpo::draw_key> keys;
  template <class Backend, class T>
  static auto log_prob(sysdpo::tape<Backend, T>& tape, auto& model, auto const& options, auto rows) {
    if (tape.is_recording())
      for (auto const& row : rows)
        if (row.side == 0) keys.push_back(row.key);
    return sysdpo::tabular<draft_table, three>::log_prob(tape, model, options, rows);
  }
};

/// The tabular policy with a gradient that is no number.
struct poisoned {
  using value = three;
  using model = draft_table;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;
  template <class Backend, class T>
  static auto log_prob(sysdpo::tape<Backend, T>& tape, auto& model, auto const& options, auto rows) {
    auto const sound = sysdpo::tabular<draft_table, three>::log_prob(tape, model, options, rows);
    return tape.record(sound.value().clone(), {sound},
                       [d = sysdpo::gradient_of(sound)](sysdpo::array_view<T const> upstream) {
                         sysdpo::implement<sysdpo::scale_op, Backend>::backward(upstream, std::nan(""),
                                                                                d.sink());
                       });
  }
};

template <class Policy>
using lone_system = sysdpo::system<sysdpo::source<question, sysdpo::category<1>>,
                                   sysdpo::node<draft, Policy, sysdpo::from<question>>>;
template <class Policy>
using lone_trainer = sysdpo::trainer<lone_system<Policy>, sysdpo::cpu, double_precision>;

template <class Policy>
std::vector<sysdpo::preference<lone_system<Policy>>> lone_pairs() {
  std::vector<sysdpo::preference<lone_system<Policy>>> pairs(7);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].id = 100 + i;
    sysdpo::get<draft>(pairs[i].chosen) = static_cast<int>(i % 3);
    sysdpo::get<draft>(pairs[i].rejected) = static_cast<int>((i + 1) % 3);
  }
  return pairs;
}

}  // namespace

TEST_CASE("each epoch has every pair once, in an order and with noise of its own", "[train]") {
  auto const pairs = lone_pairs<witness>();
  double_models<lone_system<witness>> policy({{.contexts = 1, .categories = 3}});
  auto reference = policy;
  auto const noise_visits = GENERATE(0U, 2U);
  witness::keys.clear();
  lone_trainer<witness>(policy, reference, {}, pairs,
                        {.steps = 7, .pairs_per_batch = 4, .seed = 3, .noise_visits = noise_visits})
      .run();
  REQUIRE(witness::keys.size() == 28);  // four epochs of seven
  std::vector<std::vector<std::uint64_t>> orders;
  for (std::size_t epoch = 0; epoch < 4; ++epoch) {
    std::vector<std::uint64_t> order;
    for (std::size_t i = 7 * epoch; i < 7 * (epoch + 1); ++i) {
      order.push_back(witness::keys[i].pair);
      CHECK(witness::keys[i].visit == (noise_visits == 0 ? epoch : epoch % 2));
    }
    for (auto const& other : orders) CHECK(order != other);
    orders.push_back(order);
    std::sort(order.begin(), order.end());
    CHECK(order == std::vector<std::uint64_t>{100, 101, 102, 103, 104, 105, 106});
  }
}

TEST_CASE("a gradient that is no number stops the training before the weights change", "[train]") {
  auto const pairs = lone_pairs<poisoned>();
  double_models<lone_system<poisoned>> policy({{.contexts = 1, .categories = 3, .initial_deviation = 1}});
  auto reference = policy;
  auto const before = weights_of(policy);
  lone_trainer<poisoned> training(policy, reference, {}, pairs, {.steps = 2, .pairs_per_batch = 4});
  CHECK_THROWS_WITH(training.run(), Contains("step 1") && Contains("'draft'") && Contains("gradient"));
  CHECK(weights_of(policy) == before);
}

TEST_CASE("validation weighs every pair alike, in full batches and in the last", "[train]") {
  auto const pairs = ranked_pairs();  // 31
  auto policy = random_models<skip_system>(1);
  auto reference = random_models<skip_system>(2);
  auto options = some_training();
  auto const by_batches_of = [&](sysdpo::index_t size) {
    options.pairs_per_batch = size;
    return tabular_trainer(policy, reference, {}, pairs, options, pairs).validate();
  };
  auto const whole = by_batches_of(31);
  auto const cut = by_batches_of(7);
  REQUIRE(whole.size() == cut.size());
  for (auto const* name : {"loss", "rewards/margins", "rewards/accuracies", "node/draft/rewards/chosen"})
    CHECK(cut.at(name) == Approx(whole.at(name)).epsilon(1e-12));
}
