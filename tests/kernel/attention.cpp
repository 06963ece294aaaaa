#include "sysdpo/kernel/attention.hpp"

#include <memory>

#include "support/emulation.hpp"
#include "sysdpo/kernel/attention_backward.hpp"

using sysdpo::kernel::attention_layout;
using test::bf16;
using test::emulation;
using test::half;
using test::index_t;
using test::memory;

namespace {

struct setting {
  std::vector<int> queries, keys;
  int heads, key_heads, head_size;
  bool causal = false;
  float spread = 1;  ///< of queries: the larger, the more extreme the scores
};

/// A value and how large the terms were that it was added up from.
struct quantity {
  double value = 0, bound = 0;
  void add(double term, double size) {
    value += term;
    bound += size;
  }
};

template <class T>
struct problem {
  setting is;
  index_t query_rows = 0, key_rows = 0;
  int max_queries = 0, max_keys = 0;
  memory<std::int32_t> q_offsets, k_offsets;
  memory<T> q, k, v, dy;
  std::vector<quantity> y{}, dq{}, dk{}, dv{};
  std::vector<double> log_sums{};
  double largest_score = 0;

  explicit problem(setting const& given)
      : is(given),
        q_offsets(offsets(given.queries)),
        k_offsets(offsets(given.keys)),
        q(test::random_memory<T>(q_offsets[given.queries.size()] * given.heads * given.head_size, 1,
                                 given.spread)),
        k(test::random_memory<T>(k_offsets[given.keys.size()] * given.key_heads * given.head_size, 2)),
        v(test::random_memory<T>(std::ssize(k), 3)),
        dy(test::random_memory<T>(std::ssize(q), 4)) {
    query_rows = q_offsets[given.queries.size()];
    key_rows = k_offsets[given.keys.size()];
    for (auto const n : given.queries) max_queries = std::max(max_queries, n);
    for (auto const n : given.keys) max_keys = std::max(max_keys, n);
    solve();
  }

  [[nodiscard]] attention_layout layout() const {
    return {.q_offsets = q_offsets.data(),
            .k_begins = k_offsets.data(),
            .k_ends = k_offsets.data() + 1,
            .sequences = static_cast<int>(is.queries.size()),
            .heads = is.heads,
            .key_heads = is.key_heads,
            .head_size = is.head_size,
            .max_queries = max_queries,
            .max_keys = max_keys,
            .causal = is.causal,
            .scale = scale()};
  }

  [[nodiscard]] bool passes_forward(auto kernel, emulation const& how, memory<T>& out,
                                    memory<float>& sums) const {
    test::run<decltype(kernel)>({q.data(), k.data(), v.data(), layout(), out.data(), sums.data()}, how);
    for (std::size_t i = 0; i < log_sums.size(); ++i)
      if (!test::close(sums.at(i), log_sums[i], 2e-6 * (1 + largest_score))) return false;
    return agree("y", out, y);
  }

  template <int D>
  [[nodiscard]] bool passes(emulation const& how, bool accumulate = false) const {
    memory<T> out(std::ssize(q));
    memory<float> sums(query_rows * is.heads), products(query_rows * is.heads);
    if (!passes_forward(sysdpo::kernel::attention<T, D>{}, how, out, sums)) return false;

    test::run<sysdpo::kernel::attention_products<T>>(
        {out.data(), dy.data(), query_rows * is.heads, is.head_size, products.data()}, how);
    memory<T> gq(std::ssize(q)), gk(std::ssize(k)), gv(std::ssize(k));
    for (auto* const gradient : {&gq, &gk, &gv})
      for (std::size_t i = 0; accumulate && i < gradient->size(); ++i) (*gradient)[i] = T(1.0F);
    test::run<sysdpo::kernel::attention_backward_queries<T, D>>(
        {q.data(), k.data(), v.data(), dy.data(), sums.data(), products.data(), layout(), gq.data(),
         accumulate},
        how);
    test::run<sysdpo::kernel::attention_backward_keys<T, D>>(
        {q.data(), k.data(), v.data(), dy.data(), sums.data(), products.data(), layout(), gk.data(),
         gv.data(), accumulate, accumulate},
        how);
    double const before = accumulate ? 1 : 0;
    return agree("dq", gq, dq, before) && agree("dk", gk, dk, before) && agree("dv", gv, dv, before);
  }

 private:
  static memory<std::int32_t> offsets(std::vector<int> const& counts) {
    std::vector<std::int32_t> result{0};
    for (auto const n : counts) result.push_back(result.back() + n);
    return {result};
  }

  [[nodiscard]] float scale() const { return 1 / std::sqrt(static_cast<float>(is.head_size)); }

  /// Each rounding of an intermediate to T, and what float does to scores, weighs at most as much as all
  /// terms.
  bool agree(char const* name, memory<T> const& x, std::vector<quantity> const& expected,
             double before = 0) const {
    auto const unit = 2.5 * test::rounding<T> + 0x1p-21 * (1 + largest_score);
    // Half counts in steps of 2^−24 near 0; they are multiplied by queries.
    auto const step = std::is_same_v<T, half> ? 0x1p-22 * static_cast<double>(is.spread) : 0.0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      auto const wanted = expected[i].value + before;
      auto const allowed = unit * expected[i].bound + 2 * test::rounding<T> * std::abs(wanted) + 1e-6 + step;
      if (!(std::abs(x.at(i) - wanted) <= allowed)) {
        UNSCOPED_INFO(name << "[" << i << "] is " << x.at(i) << ", not " << wanted << " to " << allowed);
        return false;
      }
    }
    return true;
  }

  /// From the definition, in double.
  void solve() {
    auto const d = static_cast<std::size_t>(is.head_size);
    auto const heads = static_cast<std::size_t>(is.heads);
    auto const key_heads = static_cast<std::size_t>(is.key_heads);
    y.resize(q.size());
    dq.resize(q.size());
    dk.resize(k.size());
    dv.resize(k.size());
    log_sums.assign(q.size() / d, -std::numeric_limits<double>::infinity());
    auto const numbers = [](memory<T> const& from) {
      std::vector<double> result(from.size());
      for (std::size_t i = 0; i < result.size(); ++i) result[i] = from.at(i);
      return result;
    };
    auto const nq = numbers(q), nk = numbers(k), nv = numbers(v), ndy = numbers(dy);
    for (std::size_t s = 0; s < is.queries.size(); ++s)
      for (std::size_t h = 0; h < heads; ++h)
        for (int i = 0; i < is.queries[s]; ++i) {
          auto const row = static_cast<std::size_t>(q_offsets[s] + i) * heads + h;
          auto const at = row * d;
          int const seen =
              is.causal ? std::clamp(i + 1 + is.keys[s] - is.queries[s], 0, is.keys[s]) : is.keys[s];
          if (seen == 0) continue;
          auto const key_at = [&](int j) {
            return (static_cast<std::size_t>(k_offsets[s] + j) * key_heads + h / (heads / key_heads)) * d;
          };
          std::vector<double> p, slope, size;
          double highest = -1e300;
          for (int j = 0; j < seen; ++j) {
            double score = 0;
            for (std::size_t c = 0; c < d; ++c) score += nq[at + c] * nk[key_at(j) + c];
            p.push_back(score * static_cast<double>(scale()));
            highest = std::max(highest, p.back());
            largest_score = std::max(largest_score, std::abs(p.back()));
          }
          double sum = 0;
          for (auto& x : p) sum += x = std::exp(x - highest);
          log_sums[row] = highest + std::log(sum);
          double product = 0;
          double product_size = 0;
          for (int j = 0; j < seen; ++j) {
            auto& weight = p[static_cast<std::size_t>(j)];
            weight /= sum;
            slope.push_back(0);
            size.push_back(0);
            for (std::size_t c = 0; c < d; ++c) {
              auto const term = ndy[at + c] * nv[key_at(j) + c];
              y[at + c].add(weight * nv[key_at(j) + c], weight * std::abs(nv[key_at(j) + c]));
              dv[key_at(j) + c].add(weight * ndy[at + c], weight * std::abs(ndy[at + c]));
              slope.back() += term;
              size.back() += std::abs(term);
            }
            product += weight * slope.back();
            product_size += weight * size.back();
          }
          for (int j = 0; j < seen; ++j) {
            auto const n = static_cast<std::size_t>(j);
            auto const factor = p[n] * static_cast<double>(scale());
            for (std::size_t c = 0; c < d; ++c) {
              auto const ds = factor * (slope[n] - product);
              auto const ds_size = factor * (size[n] + product_size);
              dq[at + c].add(ds * nk[key_at(j) + c], ds_size * std::abs(nk[key_at(j) + c]));
              dk[key_at(j) + c].add(ds * nq[at + c], ds_size * std::abs(nq[at + c]));
            }
          }
        }
  }
};

template <class T, int D>
void check(setting given, std::vector<emulation> const& orders = test::all_orders) {
  problem<T> const one(given);
  for (auto const& how : orders) REQUIRE(one.template passes<D>(how));
}

}  // namespace

TEMPLATE_TEST_CASE("attention and its gradients agree with their definition", "[kernel]", float, bf16, half) {
  check<TestType, 32>({{1}, {1}, 1, 1, 32});
  check<TestType, 32>({{7}, {7}, 2, 2, 32, true});
  check<TestType, 32>({{33, 0, 1, 70}, {33, 0, 1, 70}, 4, 2, 32, true});  // packed, grouped heads
  check<TestType, 32>({{5, 2, 0, 30}, {1, 129, 5, 0}, 2, 1, 32});   // cross; some without keys or queries
  check<TestType, 32>({{2, 1, 65}, {90, 5, 129}, 2, 1, 32, true});  // fewer queries than keys
  check<TestType, 32>({{80}, {20}, 1, 1, 32, true});                // early queries see nothing
  check<TestType, 32>({{129}, {129}, 1, 1, 32, true});
}

TEMPLATE_TEST_CASE("attention takes heads of 32 to 256", "[kernel]", float, bf16, half) {
  std::vector<emulation> const two{{}, {.order = test::thread_order::seeded, .seed = 4}};
  check<TestType, 64>({{67, 3}, {67, 3}, 2, 1, 64, true});
  check<TestType, 48>({{40}, {70}, 2, 2, 40}, two);  // as UNets have them
  check<TestType, 80>({{35}, {65}, 1, 1, 80}, two);
  check<TestType, 96>({{35}, {65}, 1, 1, 96, true}, two);
  check<TestType, 128>({{33}, {66}, 1, 1, 128});
  check<TestType, 128>({{67}, {67}, 2, 2, 128, true}, two);
  check<TestType, 160>({{34}, {66}, 1, 1, 160}, two);
  check<TestType, 256>({{17}, {33}, 1, 1, 256});
  check<TestType, 256>({{67}, {67}, 1, 1, 256, true}, two);
  check<TestType, 256>({{33}, {70}, 2, 1, 248}, two);
}

TEMPLATE_TEST_CASE("attention is exact for extreme scores", "[kernel]", float, bf16, half) {
  check<TestType, 64>({{70}, {70}, 1, 1, 64, true, 1000});
  check<TestType, 64>({{70}, {70}, 1, 1, 64, false, 1e4F}, {{}});
  check<TestType, 32>({{20, 3}, {90, 3}, 1, 1, 32, true, 1e4F});
}

TEMPLATE_TEST_CASE("attention to many keys does not drift from one tile of them to the next", "[kernel]",
                   float, bf16) {
  // All scores of a query are one number, so that y is the mean of v: 1 in the first half, 0 in the second.
  constexpr int keys = 2048;
  constexpr int d = 32;
  for (float const score : {3.3F, 1000.0F, -1e4F}) {
    memory<std::int32_t> const q_offsets(std::vector<std::int32_t>{0, 1});
    memory<std::int32_t> const k_offsets(std::vector<std::int32_t>{0, keys});
    memory<TestType> q(d), k(index_t{keys} * d), v(index_t{keys} * d), y(d);
    memory<float> log_sums(1);
    for (std::size_t i = 0; i < d; ++i) q[i] = TestType(i == 0 ? score : 0.0F);
    for (std::size_t i = 0; i < k.size(); ++i) {
      k[i] = TestType(i % d == 0 ? 1.0F : 0.0F);
      v[i] = TestType(i < k.size() / 2 ? 1.0F : 0.0F);
    }
    attention_layout const layout{
        q_offsets.data(), k_offsets.data(), k_offsets.data() + 1, 1, 1, 1, d, 1, keys, false, 1};
    test::run<sysdpo::kernel::attention<TestType, 32>>(
        {q.data(), k.data(), v.data(), layout, y.data(), log_sums.data()});
    for (std::size_t i = 0; i < d; ++i) REQUIRE(std::abs(y.at(i) - 0.5) < 1e-6);
    REQUIRE(log_sums.at(0) == Approx(q.at(0) + std::log(keys)).epsilon(2e-7));
  }
}

TEST_CASE("attention's gradients may be added, and left out", "[kernel]") {
  problem<bf16> const given({{20, 50}, {20, 50}, 2, 1, 32, true});
  REQUIRE(given.passes<32>({}, true));
  memory<bf16> y(std::ssize(given.q)), dk(std::ssize(given.k)), only_dk(std::ssize(given.k)),
      dv(std::ssize(given.k));
  memory<float> sums(140), products(140);
  test::run<sysdpo::kernel::attention<bf16, 32>>(
      {given.q.data(), given.k.data(), given.v.data(), given.layout(), y.data(), sums.data()});
  test::run<sysdpo::kernel::attention_products<bf16>>({y.data(), given.dy.data(), 140, 32, products.data()});
  auto const backward = [&](bf16* to_k, bf16* to_v) {
    test::run<sysdpo::kernel::attention_backward_keys<bf16, 32>>(
        {given.q.data(), given.k.data(), given.v.data(), given.dy.data(), sums.data(), products.data(),
         given.layout(), to_k, to_v, false, false});
  };
  backward(dk.data(), dv.data());
  backward(only_dk.data(), nullptr);
  REQUIRE(only_dk == dk);
}

TEST_CASE("attention and its gradients are the same bits in every order of threads", "[kernel]") {
  problem<bf16> const given({{70}, {70}, 2, 1, 64, true});
  auto const results = [&](emulation const& how) {
    std::vector<std::unique_ptr<memory<bf16>>> made;  // y, dq, dk, dv
    for (auto const* const like : {&given.q, &given.q, &given.k, &given.v})
      made.push_back(std::make_unique<memory<bf16>>(std::ssize(*like)));
    memory<float> sums(140), products(140);
    REQUIRE(given.passes_forward(sysdpo::kernel::attention<bf16, 64>{}, how, *made[0], sums));
    auto const dy = given.dy.data();
    test::run<sysdpo::kernel::attention_products<bf16>>({made[0]->data(), dy, 140, 64, products.data()}, how);
    test::run<sysdpo::kernel::attention_backward_queries<bf16, 64>>(
        {given.q.data(), given.k.data(), given.v.data(), dy, sums.data(), products.data(), given.layout(),
         made[1]->data(), false},
        how);
    test::run<sysdpo::kernel::attention_backward_keys<bf16, 64>>(
        {given.q.data(), given.k.data(), given.v.data(), dy, sums.data(), products.data(), given.layout(),
         made[2]->data(), made[3]->data(), false, false},
        how);
    return made;
  };
  auto const first = results({});
  for (auto const& how : test::all_orders) {
    auto const again = results(how);
    for (std::size_t i = 0; i < first.size(); ++i) REQUIRE(*again[i] == *first[i]);
  }
}

TEST_CASE("blocks of other sizes give the same attention", "[kernel]") {
  problem<bf16> const given({{70, 9}, {70, 9}, 2, 1, 64, true});
  memory<bf16> y(std::ssize(given.q));
  memory<float> sums(158);
  REQUIRE(given.passes_forward(sysdpo::kernel::attention<bf16, 64, 1>{}, {}, y, sums));
  REQUIRE(given.passes_forward(sysdpo::kernel::attention<bf16, 64, 8, 1>{}, {}, y, sums));
  REQUIRE(given.passes_forward(sysdpo::kernel::attention<bf16, 64, 2, 3>{}, {}, y, sums));
}

TEMPLATE_TEST_CASE("each barrier of attention is needed", "[kernel]", float, bf16, half) {
  problem<TestType> const given({{70}, {130}, 2, 1, 32});  // two buffers
  test::check_barriers([&](emulation const& how) { return given.template passes<32>(how); });
  auto const size = std::is_same_v<TestType, float> ? 40 : 70;
  problem<TestType> const large({{size}, {size}, 1, 1, 256});  // one buffer
  test::check_barriers([&](emulation const& how) { return large.template passes<256>(how); });
}
