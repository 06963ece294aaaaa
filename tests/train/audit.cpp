// A sound policy passes; each way of being wrong is found and named.
#include "sysdpo/train/audit.hpp"
#include "support/catch.hpp"
#include "sysdpo/backend/cpu.hpp"
#include "sysdpo/model/table.hpp"
#include "sysdpo/model/transformer.hpp"
#include "sysdpo/model/unet.hpp"
#include "sysdpo/op/embedding.hpp"
#include "sysdpo/op/log_softmax_gather.hpp"
#include "sysdpo/op/scale.hpp"
#include "sysdpo/policy/autoregressive.hpp"
#include "sysdpo/policy/denoising.hpp"
#include "sysdpo/policy/deterministic.hpp"
#include "sysdpo/policy/tabular.hpp"

namespace {

using sysdpo::category;
using sysdpo::cpu;

struct first {
  static constexpr auto name = "first";
};
struct second {
  static constexpr auto name = "second";
};
struct prompt {
  static constexpr auto name = "prompt";
};
struct writer {
  static constexpr auto name = "writer";
};
struct panel {
  static constexpr auto name = "panel";
};
using table = sysdpo::table<second>;
using sound = sysdpo::tabular<table, category<3>>;

/// Doubles what flows back.
template <class Backend, class T>
sysdpo::variable<Backend, T> twice_the_gradient(sysdpo::tape<Backend, T>& tape,
                                                sysdpo::variable<Backend, T> const& x) {
  return tape.record(x.value().clone(), {x},
                     [d = sysdpo::gradient_of(x)](sysdpo::array_view<T const> upstream) {
                       sysdpo::implement<sysdpo::add_op, Backend>::backward(upstream, d.sink());
                       sysdpo::implement<sysdpo::add_op, Backend>::backward(upstream, d.sink());
                     });
}

/// Sends back a gradient that is no number.
template <class Backend, class T>
sysdpo::variable<Backend, T> no_gradient(sysdpo::tape<Backend, T>& tape,
                                         sysdpo::variable<Backend, T> const& x) {
  return tape.record(x.value().clone(), {x},
                     [d = sysdpo::gradient_of(x)](sysdpo::array_view<T const> upstream) {
                       auto const sink = d.sink();
                       sysdpo::implement<sysdpo::add_op, Backend>::backward(upstream, sink);
                       if (sink) sink.data[0] = std::numeric_limits<T>::quiet_NaN();
                     });
}

/// The tabular policy with one fault.
enum class fault {
  wrong_gradient,
  no_gradient,
  unnormalised,
  sees_other_rows,
  draws_at_random,
  other_sampler,
  too_few
};
template <fault Fault>
struct faulty {
  using value = category<3>;
  using model = table;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;

  template <class Backend, class T>
  static auto log_prob(sysdpo::tape<Backend, T>& tape, auto& model, auto const& options, auto rows) {
    using tensor = sysdpo::tensor<Backend, T>;
    auto const right = sound::log_prob(tape, model, options, rows);
    auto const shifted = [&](auto const& shift) {
      auto host = right.value().to_host();
      for (std::size_t i = 0; i < host.size(); ++i) host[i] += shift(i);
      return tape.record(tensor::from_host(right.extents(), host), {right},
                         [d = sysdpo::gradient_of(right)](sysdpo::array_view<T const> upstream) {
                           sysdpo::implement<sysdpo::add_op, Backend>::backward(upstream, d.sink());
                         });
    };
    static int calls = 0;
    if constexpr (Fault == fault::wrong_gradient)
      return twice_the_gradient(tape, right);
    else if constexpr (Fault == fault::no_gradient)
      return no_gradient(tape, right);
    else if constexpr (Fault == fault::unnormalised)
      return sysdpo::scale(tape, right, 2.0);
    else if constexpr (Fault == fault::sees_other_rows)
      return shifted([&](std::size_t i) { return 0.1 * static_cast<double>(i); });
    else if constexpr (Fault == fault::draws_at_random)
      return shifted([&](std::size_t) { return 0.1 * ++calls; });
    else if constexpr (Fault == fault::too_few)
      return right.reshaped({1, right.extents().size()});
    else
      return right;
  }

  static auto sample(auto& model, auto const& options, auto requests) {
    auto drawn = sound::sample(model, options, requests);
    if constexpr (Fault == fault::other_sampler)
      for (auto& v : drawn.values) v = v == 2 ? 1 : v;
    return drawn;
  }
};

template <class Policy>
using chain =
    sysdpo::system<sysdpo::node<first, sysdpo::tabular<sysdpo::table<first>, category<2>>, sysdpo::from<>>,
                   sysdpo::node<second, Policy, sysdpo::from<first>>>;

template <class Policy>
sysdpo::audit_report audit_chain() {
  using system = chain<Policy>;
  std::vector<sysdpo::preference<system>> pairs(3);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].id = i;
    sysdpo::get<first>(pairs[i].chosen) = static_cast<int>(i % 2);
    sysdpo::get<second>(pairs[i].chosen) = static_cast<int>(i);
    sysdpo::get<second>(pairs[i].rejected) = static_cast<int>(2 - i);
  }
  sysdpo::models<system, cpu, sysdpo::precision<double>> models(
      {{.categories = 2}, {.contexts = 3, .categories = 3}}, 3);  // a context more than there are
  return sysdpo::audit(models, {}, pairs, {.perturbation = 0.5});
}

/// The failed checks of the node under test.
template <class Policy>
std::vector<std::string> failures() {
  std::vector<std::string> failed;
  for (auto const& finding : audit_chain<Policy>().findings) {
    if (finding.sound) continue;
    CHECK(finding.node == "second");
    CHECK(!finding.what.empty());
    failed.push_back(finding.check);
  }
  return failed;
}

using names = std::vector<std::string>;

}  // namespace

TEST_CASE("A sound tabular policy passes every check", "[audit]") {
  auto const report = audit_chain<sound>();
  INFO(report.text());
  CHECK(report.sound());
  names checks;
  for (auto const& finding : report.findings)
    if (finding.node == "second") checks.push_back(finding.check);
  CHECK(checks == names{"shape", "determinism", "rows", "log-ratio", "gradient", "accumulation", "sampling",
                        "normalisation", "probabilities"});
}

TEST_CASE("Each fault is found by the check that is about it", "[audit]") {
  CHECK(failures<faulty<fault::wrong_gradient>>() == names{"gradient"});
  CHECK(failures<faulty<fault::no_gradient>>().front() == "gradient");
  CHECK(failures<faulty<fault::unnormalised>>() == names{"probabilities"});
  CHECK(failures<faulty<fault::other_sampler>>() == names{"normalisation"});
  CHECK(failures<faulty<fault::sees_other_rows>>().front() == "rows");
  CHECK(failures<faulty<fault::draws_at_random>>().front() == "determinism");
  CHECK(failures<faulty<fault::too_few>>() == names{"shape"});
}

TEST_CASE("The bundled policies pass", "[audit]") {
  using author = sysdpo::autoregressive<sysdpo::transformer<writer>, sysdpo::text>;
  using painter = sysdpo::denoising<sysdpo::unet<panel>, sysdpo::image<1, 4, 4>>;
  using system =
      sysdpo::system<sysdpo::source<prompt, sysdpo::text>, sysdpo::node<writer, author, sysdpo::from<prompt>>,
                     sysdpo::node<panel, painter, sysdpo::from<writer>>>;
  sysdpo::models<system, cpu, sysdpo::precision<double>> models(
      {{.vocabulary = 7,
        .hidden = 8,
        .layers = 1,
        .heads = 2,
        .kv_heads = 1,
        .intermediate = 12,
        .context = 24},
       {.in_channels = 1,
        .out_channels = 1,
        .sample_size = 4,
        .block_out_channels = {4, 8},
        .cross_attention = {false, true},
        .heads = 2,
        .norm_groups = 2,
        .caption_encoder =
            {.vocabulary = 7, .hidden = 8, .layers = 1, .heads = 2, .intermediate = 8, .context = 20}}},
      5);
  std::vector<sysdpo::preference<system>> pairs(2);
  sysdpo::generator random(3);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].id = i;
    for (auto* side : {&pairs[i].chosen, &pairs[i].rejected}) {
      sysdpo::get<prompt>(*side) = {4, 5};
      sysdpo::get<writer>(*side) = {static_cast<std::int32_t>(3 + random.uniform_index(4)), 6};
      std::vector<float> image(16);
      for (auto& x : image) x = random.normal();
      sysdpo::get<panel>(*side) = sysdpo::pixels<1, 4, 4>(image);
    }
  }
  sysdpo::policy_options<system> policies;
  policies.get<author>() = {.begin = 0, .separator = 1, .end = 2, .sampling = {.max_new_tokens = 12}};
  policies.get<painter>().sampling.steps = 3;
  auto const report = sysdpo::audit(models, policies, pairs, {.samples = 150});
  INFO(report.text());
  CHECK(report.sound());
  // Malformed texts are drawn again, so that the writer's samples do not follow p: the audit says so.
  for (auto const& finding : report.findings)
    CHECK(finding.what.empty() == (finding.check != "normalisation"));
}

namespace {

/// A model whose logits pass on no gradient but their own: what was there before is lost.
template <class Model>
struct forgetful {
  Model* model;
  auto logits(auto& tape) {
    auto const given = model->logits(tape);
    return tape.record(given.value().clone(), {given}, [d = sysdpo::gradient_of(given)](auto upstream) {
      auto sink = d.sink();
      sink.accumulate = false;
      sysdpo::implement<sysdpo::add_op, cpu>::backward(upstream, sink);
    });
  }
};

/// The tabular policy with a fault that shows in what surrounds a score.
enum class hidden_fault { overwrites, moves_weights, not_finite, throws, trains_frozen };
template <hidden_fault Fault>
struct subtly_faulty : faulty<fault::wrong_gradient> {
  template <class Backend, class T>
  static sysdpo::variable<Backend, T> log_prob(sysdpo::tape<Backend, T>& tape, auto& model,
                                               auto const& options, auto rows) {
    if constexpr (Fault == hidden_fault::overwrites) {
      forgetful<std::remove_reference_t<decltype(model)>> wrapped{&model};
      return sound::log_prob(tape, wrapped, options, rows);
    } else if constexpr (Fault == hidden_fault::moves_weights) {
      model.parameters().begin()->value.data()[6] += 1;  // of a context that no row has
      return sound::log_prob(tape, model, options, rows);
    } else if constexpr (Fault == hidden_fault::not_finite) {
      return sysdpo::scale(tape, sound::log_prob(tape, model, options, rows), std::nan(""));
    } else if constexpr (Fault == hidden_fault::throws) {
      throw std::runtime_error("out of ideas");
    } else {
      auto& weight = *model.parameters().begin();
      weight.trainable = true;
      auto score = sound::log_prob(tape, model, options, rows);
      weight.trainable = false;
      return score;
    }
  }
};

/// The tabular policy with a log-ratio of its own, which is none: it has the right value where the models are
/// equal, and a right gradient, but is not the opposite when they change places.
struct lopsided : faulty<fault::other_sampler> {
  template <class... Arguments>
  static void log_prob(Arguments&&...) = delete;
  static auto reference(auto& model, auto const& options, auto rows) {
    sysdpo::tape<cpu, double> scratch(sysdpo::recording::off);
    return sound::log_prob(scratch, model, options, rows).value();
  }
  template <class Backend, class T>
  static auto log_ratio(sysdpo::tape<Backend, T>& tape, auto& model,
                        sysdpo::tensor<Backend, T> const& reference, auto const& options, auto rows) {
    auto const ratio = sysdpo::minus_reference(tape, sound::log_prob(tape, model, options, rows), reference);
    auto bent = ratio.value().to_host();
    for (auto& x : bent) x += x * x;
    return tape.record(sysdpo::tensor<Backend, T>::from_host(ratio.extents(), bent), {ratio},
                       [d = sysdpo::gradient_of(ratio), ratio = ratio.value()](auto upstream) {
                         auto slope = ratio.to_host();
                         for (std::size_t i = 0; i < slope.size(); ++i)
                           slope[i] = upstream.data[i] * (1 + 2 * slope[i]);
                         auto const seed = sysdpo::tensor<Backend, T>::from_host(ratio.extents(), slope);
                         sysdpo::implement<sysdpo::add_op, Backend>::backward(seed.const_view(), d.sink());
                       });
  }
};

/// The tabular policy, drawing by the place in the batch, by the number of the call, or not for every
/// request.
enum class sampling_fault { by_place, by_call, too_few };
template <sampling_fault Fault>
struct badly_drawn : sound {
  static auto sample(auto& model, auto const& options, auto requests) {
    auto drawn = sound::sample(model, options, requests);
    static int calls = 0;
    ++calls;
    for (std::size_t i = 0; i < drawn.values.size(); ++i)
      if constexpr (Fault == sampling_fault::by_place)
        drawn.values[i] = static_cast<int>(i % 3);
      else if constexpr (Fault == sampling_fault::by_call)
        drawn.values[i] = calls % 3;
    if constexpr (Fault == sampling_fault::too_few) drawn.values.pop_back();
    return drawn;
  }
};

/// What the audit says of a policy's first failed check.
template <class Policy>
std::string first_failure() {
  for (auto const& finding : audit_chain<Policy>().findings)
    if (!finding.sound) return finding.check + ": " + finding.what;
  return {};
}

}  // namespace

TEST_CASE("Faults around a score are found by the check that is about them", "[audit]") {
  using Catch::Contains;
  CHECK(failures<subtly_faulty<hidden_fault::overwrites>>() == names{"accumulation"});
  CHECK(failures<subtly_faulty<hidden_fault::moves_weights>>().front() == "determinism");
  CHECK_THAT(first_failure<subtly_faulty<hidden_fault::moves_weights>>(), Contains("changed the weight"));
  CHECK_THAT(first_failure<subtly_faulty<hidden_fault::not_finite>>(), Contains("shape: row 0 scores nan"));
  CHECK_THAT(first_failure<subtly_faulty<hidden_fault::throws>>(),
             Contains("running: it threw: out of ideas"));
  CHECK_THAT(first_failure<subtly_faulty<hidden_fault::trains_frozen>>(),
             Contains("gradient: the frozen weight 'logits'"));
  CHECK(failures<lopsided>() == names{"log-ratio"});
}

TEST_CASE("Samples that do not follow from their keys are found", "[audit]") {
  using Catch::Contains;
  CHECK_THAT(first_failure<badly_drawn<sampling_fault::by_place>>(),
             Contains("sampling: request 1") && Contains("alone"));
  CHECK_THAT(first_failure<badly_drawn<sampling_fault::by_call>>(),
             Contains("sampling") && Contains("second time"));
  CHECK_THAT(first_failure<badly_drawn<sampling_fault::too_few>>(),
             Contains("sampling: 6 requests gave 5 values"));
}
