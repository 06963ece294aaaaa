#include "sysdpo/op/attention.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/attention.hpp"

using sysdpo::cpu;
using sysdpo::index_t;
using sysdpo::shape;
using test::random_tensor;
using lengths = std::vector<index_t>;

namespace {

struct problem {
  lengths queries;
  lengths keys;
  index_t heads;
  index_t key_heads;
  index_t size;
  sysdpo::attention_options options{};
};

sysdpo::packed_sequences<cpu> pack(lengths const& values) { return sysdpo::pack_lengths<cpu>(values); }

std::vector<test::tensor> inputs(problem const& given) {
  auto const queries = pack(given.queries).total;
  auto const keys = pack(given.keys).total;
  return {random_tensor({queries, given.heads, given.size}, 1),
          random_tensor({keys, given.key_heads, given.size}, 2),
          random_tensor({keys, given.key_heads, given.size}, 3)};
}

/// Straight from the definition, one score at a time.
std::vector<double> naive(problem const& given, std::vector<test::tensor> const& in) {
  auto const d = given.size;
  auto const scale = given.options.scale != 0 ? given.options.scale : 1 / std::sqrt(static_cast<double>(d));
  std::vector<double> y(static_cast<std::size_t>(in[0].size()), 0.0);
  index_t q0 = 0;
  index_t k0 = 0;
  for (std::size_t s = 0; s < given.queries.size(); ++s) {
    auto const nq = given.queries[s];
    auto const nk = given.keys[s];
    for (index_t h = 0; h < given.heads; ++h)
      for (index_t i = 0; i < nq; ++i) {
        auto const at = ((q0 + i) * given.heads + h) * d;
        auto const key_at = [&](index_t j) {
          return ((k0 + j) * given.key_heads + h / (given.heads / given.key_heads)) * d;
        };
        std::vector<double> weights;
        double sum = 0;
        for (index_t j = 0; j < nk; ++j) {
          if (given.options.causal && j > i + nk - nq) continue;
          double score = 0;
          for (index_t c = 0; c < d; ++c) score += in[0].data()[at + c] * in[1].data()[key_at(j) + c];
          sum += weights.emplace_back(std::exp(scale * score));
        }
        for (std::size_t j = 0; j < weights.size(); ++j)
          for (index_t c = 0; c < d; ++c)
            y[static_cast<std::size_t>(at + c)] +=
                weights[j] / sum * in[2].data()[key_at(static_cast<index_t>(j)) + c];
      }
    q0 += nq;
    k0 += nk;
  }
  return y;
}

test::variable attend(test::tape& tape, problem const& given, std::vector<test::variable> const& in) {
  return sysdpo::attention(tape, in[0], in[1], in[2], pack(given.queries), pack(given.keys), given.options);
}

}  // namespace

TEST_CASE("attention agrees with its definition", "[op]") {
  auto const given = GENERATE(
      problem{{5}, {5}, 2, 2, 4}, problem{{5}, {5}, 2, 2, 4, {.causal = true}},
      problem{{3, 0, 1, 7}, {3, 0, 1, 7}, 4, 2, 6, {.causal = true}},  // packed, grouped heads
      problem{{4, 2, 0, 3}, {1, 6, 5, 0}, 3, 1, 2},  // cross-attention; some without keys or queries
      problem{{2, 1, 4}, {9, 5, 4}, 2, 1, 4, {.causal = true}},  // fewer queries than keys, as from a cache
      problem{{5}, {2}, 1, 1, 4, {.causal = true}},              // early queries see nothing
      problem{{200, 64, 65}, {200, 64, 65}, 2, 1, 8, {.causal = true}},  // several tiles
      problem{{130}, {300}, 2, 2, 8, {.scale = 0.9}}, problem{{70}, {400}, 1, 1, 8, {.causal = true}});
  auto const in = inputs(given);
  test::tape tape(sysdpo::recording::off);
  auto const y =
      attend(tape, given, {tape.constant(in[0]), tape.constant(in[1]), tape.constant(in[2])}).value();
  auto const expected = naive(given, in);
  for (index_t i = 0; i < y.size(); ++i)
    REQUIRE(y.data()[i] == Approx(expected[static_cast<std::size_t>(i)]).margin(1e-12));
}

TEST_CASE("attention has the gradients of finite differences", "[op]") {
  auto const given = GENERATE(problem{{4, 0, 1}, {4, 0, 1}, 4, 2, 4, {.causal = true}},
                              problem{{3, 2, 0, 2}, {5, 1, 3, 0}, 2, 1, 2, {.scale = 0.7}},
                              problem{{2, 4}, {5, 2}, 2, 2, 2, {.causal = true}},
                              problem{{70}, {135}, 1, 1, 2, {.causal = true}},  // several tiles
                              problem{{66}, {131}, 2, 1, 4, {.causal = true}});
  test::check_gradients([&](auto& tape, auto const& in) { return attend(tape, given, in); }, inputs(given));
}

TEST_CASE("attention in float stays finite and exact for large scores", "[op]") {
  auto const n = pack({40});
  auto const q = random_tensor<float>({40, 1, 8}, 1, 100);
  auto const v = random_tensor<float>({40, 1, 8}, 2);
  sysdpo::tape<cpu, float> tape(sysdpo::recording::off);
  auto const y = sysdpo::attention(tape, tape.constant(q), tape.constant(q), tape.constant(v), n, n).value();
  for (index_t i = 0; i < 40; ++i) {  // a softmax this sharp picks one key
    double best = -1e30;
    index_t pick = 0;
    for (index_t j = 0; j < 40; ++j) {
      double score = 0;
      for (index_t c = 0; c < 8; ++c)
        score += static_cast<double>(q.data()[i * 8 + c]) * static_cast<double>(q.data()[j * 8 + c]);
      if (score > best) {
        best = score;
        pick = j;
      }
    }
    for (index_t c = 0; c < 8; ++c)
      REQUIRE(y.data()[i * 8 + c] == Approx(v.data()[pick * 8 + c]).margin(1e-4));
  }
}

TEST_CASE("attention computes only the gradients that are wanted", "[op]") {
  problem const given{{3}, {4}, 2, 2, 2};
  auto const in = inputs(given);
  std::vector<std::vector<double>> alone(3);
  sysdpo::gradient_slot<cpu, double> together[3];
  auto const seed = random_tensor({3, 2, 2}, 9);
  for (int only = -1; only < 3; ++only) {
    sysdpo::gradient_slot<cpu, double> slot;
    test::tape tape;
    std::vector<test::variable> arguments;
    for (int i = 0; i < 3; ++i)
      arguments.push_back(only < 0    ? tape.watch(in[static_cast<std::size_t>(i)], together[i])
                          : i == only ? tape.watch(in[static_cast<std::size_t>(i)], slot)
                                      : tape.constant(in[static_cast<std::size_t>(i)]));
    tape.backward(attend(tape, given, arguments), seed);
    if (only >= 0) REQUIRE(slot.value.to_host() == together[only].value.to_host());
  }
}

TEST_CASE("attention names what does not fit", "[op]") {
  test::tape tape;
  auto const q = tape.constant(random_tensor({4, 4, 2}, 1));
  auto const k = tape.constant(random_tensor({4, 3, 2}, 2));
  auto const n = pack({4});
  REQUIRE_THROWS_WITH(sysdpo::attention(tape, q, k, k, n, n), Catch::Contains("multiple"));
  REQUIRE_THROWS_WITH(sysdpo::attention(tape, q, q, q, pack({5}), n), Catch::Contains("5 queries"));
  REQUIRE_THROWS_WITH(sysdpo::attention(tape, q, q, k, n, n), Catch::Contains("[4, 4, 2]"));
  REQUIRE_THROWS_WITH(sysdpo::attention(tape, q, q, q, n, n, {.scale = -1}), Catch::Contains("positive"));
  sysdpo::gradient_slot<cpu, double> slot;
  auto const x = tape.watch(random_tensor({4, 1, 2}, 3), slot);
  REQUIRE_THROWS_WITH(sysdpo::attention(tape, x, x, q, n, n), Catch::Contains("shapes"));
  REQUIRE_THROWS_WITH(sysdpo::attention(tape, x, x, x, n, n), Catch::Contains("one variable"));
}

TEST_CASE("a query that sees no key gives 0, whatever the memory held", "[op]") {
  auto const given = GENERATE(problem{{3}, {0}, 2, 1, 4}, problem{{5}, {2}, 2, 2, 4, {.causal = true}});
  auto const in = inputs(given);
  test::tape tape(sysdpo::recording::off);
  test::poison_memory(in[0].size());
  auto const y =
      attend(tape, given, {tape.constant(in[0]), tape.constant(in[1]), tape.constant(in[2])}).value();
  for (index_t i = 0; i < 3 * in[0].extent(1) * 4; ++i) REQUIRE(y.data()[i] == 0);
}
