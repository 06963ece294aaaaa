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

/// The tabular policy with one fault.
enum class fault { wrong_gradient, unnormalised, sees_other_rows, draws_at_random, other_sampler, too_few };
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
      {{.categories = 2}, {.contexts = 2, .categories = 3}}, 3);
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
