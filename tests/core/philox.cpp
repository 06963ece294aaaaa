#include "sysdpo/core/philox.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "support/catch.hpp"

namespace {

using sysdpo::draw_key;
using sysdpo::philox;
using sysdpo::philox_words;

// How far z is from the normal quantile at probability p in (0, 1/2], to first order, from std::erfc in
// double.
double quantile_error(double z, double p) {
  double const below = 0.5 * std::erfc(-z / std::sqrt(2.0));
  return (below - p) / (std::exp(-z * z / 2) / std::sqrt(2 * std::acos(-1.0)));
}

// The largest distance between the sample's distribution and `cdf`, times sqrt(n): the statistic of
// Kolmogorov and Smirnov.
template <class Cdf>
double kolmogorov_smirnov(std::vector<float> sample, Cdf cdf) {
  std::sort(sample.begin(), sample.end());
  auto const n = static_cast<double>(sample.size());
  double largest = 0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    double const p = cdf(static_cast<double>(sample[i]));
    largest = std::max(
        {largest, std::abs(p - static_cast<double>(i) / n), std::abs(p - static_cast<double>(i + 1) / n)});
  }
  return largest * std::sqrt(n);
}

double moment(std::vector<float> const& sample, int power) {
  double sum = 0;
  for (float const x : sample) sum += std::pow(static_cast<double>(x), power);
  return sum / static_cast<double>(sample.size());
}

}  // namespace

TEST_CASE("Philox4x32-10 gives the published vectors", "[philox]") {
  // kat_vectors of the Random123 distribution.
  static_assert(philox({{0, 0, 0, 0}}, {{0, 0}}) ==
                philox_words{{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}});
  CHECK((philox({{~0u, ~0u, ~0u, ~0u}}, {{~0u, ~0u}}) ==
         philox_words{{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}}));
  CHECK((philox({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}}, {{0xa4093822u, 0x299f31d0u}}) ==
         philox_words{{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}}));
}

TEST_CASE("normal_from is the inverse normal distribution function", "[philox]") {
  // A grid over all bits, and every pattern of the extreme tail.
  double worst = 0;
  bool is_odd = true;
  auto const check = [&](std::uint32_t bits) {
    double const p = 0.5 - (static_cast<double>(bits) + 0.5) / 4294967296.0;
    float const z = sysdpo::normal_from(bits);
    worst = std::max(worst, std::abs(quantile_error(-static_cast<double>(z), p)));
    is_odd = is_odd && sysdpo::normal_from(~bits) == -z;
  };
  for (std::uint32_t bits = 0; bits < 0x80000000u; bits += 8191) check(bits);
  for (std::uint32_t rank = 0; rank < 100'000; ++rank) check(0x7fffffffu - rank);
  CHECK(worst < 2e-6);
  CHECK(is_odd);
  CHECK(sysdpo::normal_from(0x7fffffffu) == Approx(6.337957).epsilon(1e-6));
  CHECK(sysdpo::normal_from(0x80000000u) == -sysdpo::normal_from(0x7fffffffu));
}

TEST_CASE("uniform_from stays inside (0, 1)", "[philox]") {
  CHECK(sysdpo::uniform_from(0u) == 0x1p-24f);
  CHECK(sysdpo::uniform_from(~0u) == 1.0f - 0x1p-24f);
}

TEST_CASE("filled normals and uniforms have their distributions", "[philox]") {
  std::vector<float> sample(400'000);
  double const root = std::sqrt(static_cast<double>(sample.size()));
  sysdpo::fill_normal(sample, {.seed = 3, .pair = 5, .node = 1, .visit = 2, .draw = 4});
  CHECK(std::abs(moment(sample, 1)) * root < 4);  // the limits are four standard errors
  CHECK(std::abs(moment(sample, 2) - 1) * root < 4 * std::sqrt(2.0));
  CHECK(std::abs(moment(sample, 3)) * root < 4 * std::sqrt(15.0));
  CHECK(std::abs(moment(sample, 4) - 3) * root < 4 * std::sqrt(96.0));
  CHECK(kolmogorov_smirnov(sample, [](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }) < 1.95);

  sysdpo::fill_uniform(sample, {.seed = 3, .pair = 5});
  CHECK(kolmogorov_smirnov(sample, [](double u) { return u; }) < 1.95);  // exceeded by chance once in 1,000
}

TEST_CASE("an element depends on its key and its index alone", "[philox]") {
  draw_key const key{.seed = 1ull << 40, .pair = 7, .node = 2, .visit = 9, .draw = 3};
  std::vector<float> whole(1031);
  sysdpo::fill_normal(whole, key);
  sysdpo::philox_stream const stream(key);
  for (std::size_t const n : {0u, 1u, 3u, 4u, 255u, 256u, 257u, 1031u}) {
    std::vector<float> part(n + 1, 42.0f);
    sysdpo::fill_normal(std::span(part).first(n), key);
    CHECK(std::equal(part.begin(), part.end() - 1, whole.begin()));
    CHECK(part[n] == 42.0f);
  }
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(sysdpo::normal_at(stream, i) == whole[i]);
  for (std::size_t const block : {1u, 63u, 64u, 257u}) {
    std::vector<float> rest(whole.size() - 4 * block);
    sysdpo::fill_normal(rest, stream, block);
    CHECK(std::equal(rest.begin(), rest.end(), whole.begin() + static_cast<std::ptrdiff_t>(4 * block)));
  }
  std::vector<float> five(5);
  CHECK_THROWS_AS(sysdpo::fill_normal(five, stream, (std::uint64_t{1} << 32) - 1), sysdpo::error);

  // Every field of the key matters, its upper half too.
  auto const first = [](draw_key const& k) { return sysdpo::philox_stream(k)[0]; };
  std::vector<std::uint32_t> firsts{first(key)};
  draw_key other = key;
  other.seed = 1;
  firsts.push_back(first(other));
  other = key;
  other.pair += 1ull << 32;
  firsts.push_back(first(other));
  for (auto const field : {&draw_key::node, &draw_key::visit, &draw_key::draw}) {
    other = key;
    ++(other.*field);
    firsts.push_back(first(other));
  }
  std::sort(firsts.begin(), firsts.end());
  CHECK(std::adjacent_find(firsts.begin(), firsts.end()) == firsts.end());
}

TEST_CASE("the bits of normals and uniforms are pinned", "[philox]") {
  // The same from g++ and clang++, with and without optimisation and fma instructions. A change here changes
  // every run.
  std::vector<float> numbers(1 << 16);
  auto const digest = [&numbers] {
    std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a over words
    for (float const x : numbers) hash = (hash ^ std::bit_cast<std::uint32_t>(x)) * 0x100000001b3u;
    return hash;
  };
  draw_key const key{.seed = 20, .pair = 26, .node = 1, .visit = 2, .draw = 3};
  sysdpo::fill_normal(numbers, key);
  CHECK(std::bit_cast<std::uint32_t>(numbers[0]) == 0x400e6bb6u);
  CHECK(std::bit_cast<std::uint32_t>(numbers[1]) == 0xbf904c80u);
  CHECK(std::bit_cast<std::uint32_t>(numbers[2]) == 0xbf5afac4u);
  CHECK(digest() == 0xc32234ee883add89u);
  sysdpo::fill_uniform(numbers, key);
  CHECK(digest() == 0xf7ff0518c95ff085u);
}

TEST_CASE("a generator goes on from its stored state", "[philox]") {
  for (std::uint64_t drawn = 0; drawn < 9; ++drawn) {
    sysdpo::generator first(11, 4);
    for (std::uint64_t i = 0; i < drawn; ++i) (void)first();
    sysdpo::generator second(first.state());
    CHECK(first.state().position == drawn);
    for (int i = 0; i < 9; ++i) CHECK(first() == second());
  }
  CHECK(sysdpo::generator(11, 4)() != sysdpo::generator(11, 5)());
  CHECK(sysdpo::generator(0)() == 0x6627e8d5u);
}

TEST_CASE("a generator draws indices and permutations uniformly", "[philox]") {
  sysdpo::generator random(1);
  std::vector<int> counts(6);
  for (int i = 0; i < 60'000; ++i) ++counts[random.uniform_index(6)];
  double chi_square = 0;
  for (int const count : counts) chi_square += std::pow(count - 10'000.0, 2) / 10'000.0;
  CHECK(chi_square < 20.5);  // exceeded by chance once in 1,000

  std::vector<int> orders(6);
  for (int i = 0; i < 60'000; ++i) {
    std::vector<int> items{0, 1, 2};
    random.shuffle(std::span<int>(items));
    ++orders[static_cast<std::size_t>(2 * items[0] + (items[1] > items[2] ? 1 : 0))];
  }
  chi_square = 0;
  for (int const count : orders) chi_square += std::pow(count - 10'000.0, 2) / 10'000.0;
  CHECK(chi_square < 20.5);

  // 2^64 mod n is large here: a biased index would fall below n / 3 half of the time.
  std::uint64_t const n = (1ull << 63) + (1ull << 62);
  int low = 0;
  for (int i = 0; i < 10'000; ++i) low += random.uniform_index(n) < n / 3 ? 1 : 0;
  CHECK(std::abs(low - 3333) < 190);

  CHECK(random.uniform_index(1) == 0);
  CHECK_THROWS_AS(random.uniform_index(0), sysdpo::error);
  double const u = random.uniform_double();
  CHECK((u > 0 && u < 1));
}

TEST_CASE("single elements of a stream are those that a fill writes; a stream has an end", "[philox]") {
  draw_key const key{.seed = 3, .pair = 5, .node = 1, .visit = 2, .draw = 4};
  std::vector<float> uniform(300), normal(300);
  sysdpo::fill_uniform(uniform, key);
  sysdpo::fill_normal(normal, key);
  sysdpo::philox_stream const stream(key);
  for (std::size_t i = 0; i < uniform.size(); ++i) {
    REQUIRE(sysdpo::uniform_at(stream, i) == uniform[i]);
    REQUIRE(sysdpo::normal_at(stream, i) == normal[i]);
  }
  float one = 0;
  std::span const too_many(&one, (std::size_t{1} << 34) + 1);  // refused before anything is written
  CHECK_THROWS_AS(sysdpo::fill_normal(too_many, key), sysdpo::error);
  CHECK(one == 0);
}

TEST_CASE("a generator uses all of its seed, stream and position", "[philox]") {
  std::uint64_t const high = 1ull << 40;
  auto const first = [](sysdpo::generator::state_type const& state) { return sysdpo::generator(state)(); };
  std::vector<std::uint32_t> numbers{first({}),
                                     first({.seed = 1}),
                                     first({.seed = high}),
                                     first({.seed = 1 | 1ull << 32}),
                                     first({.stream = 1}),
                                     first({.stream = high}),
                                     first({.stream = 1 | 1ull << 32}),
                                     first({.position = 4}),
                                     first({.position = high}),
                                     first({.position = 2 * high})};
  std::sort(numbers.begin(), numbers.end());
  CHECK(std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end());
}
