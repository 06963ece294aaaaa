// The emulator itself: what it runs, what it shows, what it refuses.
#include "sysdpo/backend/emulated/emulator.hpp"

#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include "support/catch.hpp"
#include "sysdpo/core/philox.hpp"

using sysdpo::emulate;
using sysdpo::emulated_block;
using sysdpo::emulation;
using sysdpo::index_t;
using sysdpo::thread_order;

namespace {

std::vector<emulation> const all_orders{{.order = thread_order::in_order},
                                        {.order = thread_order::reversed},
                                        {.order = thread_order::seeded, .seed = 1},
                                        {.order = thread_order::seeded, .seed = 2},
                                        {.order = thread_order::seeded, .seed = 3}};

/// out[i] += in[n − 1 − i] + round of each block's part, through shared memory, twice over.
struct turn_around {
  static constexpr int threads = 96;
  struct arguments {
    float const* in;
    float* out;
    index_t count;
  };
  struct shared {
    float element[threads];
  };
  static index_t blocks(arguments const& given) { return given.count; }
  template <class Block>
  void operator()(Block& block, arguments const& given, shared& memory) const {
    int const i = block.thread();
    auto const at = block.index() * threads;
    for (int round = 0; round < 2; ++round) {
      memory.element[i] = given.in[at + i] + static_cast<float>(round);
      block.sync();
      given.out[at + i] += memory.element[threads - 1 - i];
      block.sync();
    }
  }
};

std::vector<float> turned(emulation const& how, index_t blocks = 3) {
  std::vector<float> in(static_cast<std::size_t>(blocks * turn_around::threads));
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
  std::vector<float> out(in.size(), 0);
  emulate<turn_around>({in.data(), out.data(), blocks}, how);
  return out;
}

/// A kernel of no arguments and one body, for what must be refused.
template <auto Body, int Threads = 64>
struct one_body {
  static constexpr int threads = Threads;
  struct arguments {};
  struct shared {
    float number;
  };
  static index_t blocks(arguments const&) { return 1; }
  template <class Block>
  void operator()(Block& block, arguments const&, shared& memory) const {
    Body(block, memory.number);
  }
};

struct look {
  static constexpr int threads = 32;
  struct arguments {
    float* out;
  };
  struct shared {
    float number;
  };
  static index_t blocks(arguments const&) { return 2; }
  void operator()(emulated_block& block, arguments const& given, shared& memory) const {
    if (block.thread() == 0) given.out[block.index()] = memory.number;
    block.sync();
    memory.number = 1;
  }
};

struct count {
  static constexpr int threads = 128;
  struct arguments {
    int* trace;
  };
  struct shared {
    int next;
  };
  static index_t blocks(arguments const&) { return 1; }
  void operator()(emulated_block& block, arguments const& given, shared& memory) const {
    if (block.thread() == 0) memory.next = 0;
    block.sync();
    for (int i = 0; i < 3; ++i) {
      int const x = block.shuffle_xor(block.thread(), 31);
      if (block.thread() % 32 == 0) given.trace[memory.next++] = x / 32;
    }
    block.sync();
  }
};

struct fetch {
  static constexpr int threads = 32;
  struct arguments {
    float const* from;
    float* out;
  };
  struct shared {
    alignas(16) float to[32][4];
  };
  static index_t blocks(arguments const&) { return 1; }
  void operator()(emulated_block& block, arguments const& given, shared& memory) const {
    int const i = block.thread();
    auto* const to = memory.to[i];
    block.copy_async(to, given.from, 8);
    block.commit_copies();
    block.copy_async(memory.to[(i + 1) % 32], given.from, 0);  // of another group; the neighbour's
    block.commit_copies();
    if (i == 0) given.out[0] = to[0];
    block.wait_copies(1);
    if (i == 0)
      for (int j = 0; j < 4; ++j) given.out[1 + j] = to[j];
    block.wait_copies(0);
    block.sync_warp();
    if (i == 0) given.out[5] = to[0];
  }
};

template <class T>
struct product {
  static constexpr int threads = 32;
  struct arguments {
    T const* a;  // [16, 16]
    T const* b;  // [16, 8], then its transpose [8, 16] and 8 more rows
    float* c;    // [2, 16, 8]
  };
  struct shared {
    alignas(16) T a[16][24];
    alignas(16) T b[16][24];
    alignas(16) T turned[16][24];
  };
  static index_t blocks(arguments const&) { return 1; }
  void operator()(emulated_block& block, arguments const& given, shared& memory) const {
    int const lane = block.thread();
    for (int i = lane; i < 256; i += 32) memory.a[i / 16][i % 16] = given.a[i];
    for (int i = lane; i < 128; i += 32) {
      memory.b[i / 8][i % 8] = given.b[i];
      memory.turned[i % 8][i / 8] = given.b[i];
    }
    block.sync_warp();
    std::uint32_t a[4];
    std::uint32_t b[4];
    std::uint32_t turned[4];
    block.load_matrices(a, &memory.a[lane % 16][lane / 16 * 8]);
    block.load_matrices_transposed(b, &memory.b[lane % 16][lane / 16 * 8]);
    block.load_matrices(turned, &memory.turned[lane % 8][lane / 8 % 2 * 8]);
    for (int way = 0; way < 2; ++way) {
      auto const& from = way == 0 ? b : turned;
      std::uint32_t const fragment[2] = {from[0], from[1]};
      float c[4] = {1, 1, 1, 1};
      block.mma(T{}, c, a, fragment);
      for (int i = 0; i < 4; ++i)
        given.c[way * 128 + (lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = c[i];
    }
  }
};

void early_end(emulated_block& self, float&) {
  if (self.thread() != 5) self.sync();
}

void two_barriers(emulated_block& self, float&) {
  if (self.thread() < 32)
    self.sync();
  else
    self.sync();
}

void lane_missing(emulated_block& self, float&) {
  if (self.thread() != 40) (void)self.shuffle_xor(1.0F, 1);
}

void lane_elsewhere(emulated_block& self, float&) {
  if (self.thread() % 2 == 0)
    (void)self.shuffle_xor(1.0F, 1);
  else
    self.sync();
}

void two_shuffles(emulated_block& self, float&) {
  if (self.thread() % 2 == 0)
    (void)self.shuffle_xor(1.0F, 1);
  else
    (void)self.shuffle_xor(1.0F, 1);
}

int alive = 0;
struct counted {
  counted() { ++alive; }
  ~counted() { --alive; }
};

void throws(emulated_block& self, float&) {
  counted const one;
  if (self.thread() == 33) sysdpo::fail({"a kernel", "", "it had enough", ""});
  self.sync();
}

void crooked(emulated_block& self, float& number) {
  self.copy_async(reinterpret_cast<char*>(&number) + 1, &number, 16);
}

}  // namespace

TEST_CASE("all threads run, in every order", "[backend]") {
  for (auto const& how : all_orders) {
    auto const out = turned(how);
    for (std::size_t i = 0; i < out.size(); ++i)
      REQUIRE(out[i] == static_cast<float>(2 * (i / 96 * 96 + 95 - i % 96) + 1));
  }
  REQUIRE(turned({}, 0).empty());
}

TEST_CASE("barriers are seen, and a skipped one shows", "[backend]") {
  std::set<sysdpo::barrier_site> sites;
  auto const whole = turned({.seen = &sites});
  REQUIRE(sites.size() == 2);
  for (auto const& site : sites) {
    REQUIRE(site.file.ends_with("emulator.cpp"));
    bool shows = false;
    for (auto how : all_orders) {
      how.skip = site;
      auto const out = turned(how);
      for (std::size_t i = 0; i < out.size(); ++i) shows = shows || !(out[i] == whole[i]);
    }
    REQUIRE(shows);
  }
}

TEST_CASE("shared memory starts as NaN in every block", "[backend]") {
  float out[2] = {0, 0};
  emulate<look>({out});
  REQUIRE(std::isnan(out[0]));
  REQUIRE(std::isnan(out[1]));
}

TEST_CASE("threads that cannot meet are reported", "[backend]") {
  for (auto const& how : all_orders) {
    REQUIRE_THROWS_WITH(emulate<one_body<early_end>>({}, how), Catch::Contains("thread 5") &&
                                                                   Catch::Contains("emulator.cpp:") &&
                                                                   Catch::Contains("every barrier"));
    REQUIRE_THROWS_WITH(emulate<one_body<two_barriers>>({}, how), Catch::Contains("thread 32"));
    REQUIRE_THROWS_WITH(emulate<one_body<lane_missing>>({}, how), Catch::Contains("thread 40"));
    REQUIRE_THROWS_WITH(emulate<one_body<lane_elsewhere>>({}, how), Catch::Contains("shuffle_xor"));
    REQUIRE_THROWS_AS(emulate<one_body<two_shuffles>>({}, how), sysdpo::error);
    REQUIRE(turned(how) == turned({}));  // nothing is left over
  }
}

TEST_CASE("what a body throws comes out, and its threads unwind", "[backend]") {
  for (auto const& how : all_orders) {
    REQUIRE_THROWS_WITH(emulate<one_body<throws>>({}, how), Catch::Contains("it had enough"));
    REQUIRE(alive == 0);
  }
}

TEST_CASE("warps run ahead of each other, but not past the block's barrier", "[backend]") {
  int trace[12];
  emulate<count>({trace}, {.order = thread_order::reversed});
  for (int i = 0; i < 12; ++i) REQUIRE(trace[i] == 3 - i / 3);
}

TEST_CASE("copies arrive when they are waited for, or at once, and pad with 0", "[backend]") {
  alignas(16) float const from[4] = {1, 2, 3, 4};
  float out[6];
  emulate<fetch>({from, out});
  REQUIRE(std::isnan(out[0]));
  REQUIRE(out[1] == 1);
  REQUIRE(out[2] == 2);
  REQUIRE(out[3] == 0);
  REQUIRE(out[4] == 0);
  REQUIRE(out[5] == 0);
  REQUIRE_THROWS_WITH(emulate<one_body<crooked>>({}), Catch::Contains("copy_async"));
}

TEMPLATE_TEST_CASE("mma multiplies what load_matrices loads", "[backend]", sysdpo::bf16, sysdpo::half) {
  std::vector<TestType> a;
  std::vector<TestType> b;
  sysdpo::generator random(7);
  for (int i = 0; i < 256; ++i) a.push_back(TestType(random.normal()));
  for (int i = 0; i < 128; ++i) b.push_back(TestType(random.normal()));
  std::vector<float> c(256);
  emulate<product<TestType>>({a.data(), b.data(), c.data()});
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 8; ++j) {
      double expected = 1;
      for (std::size_t k = 0; k < 16; ++k)
        expected += static_cast<double>(float(a[16 * i + k])) * static_cast<double>(float(b[8 * k + j]));
      REQUIRE(static_cast<double>(c[8 * i + j]) == Approx(expected).margin(1e-5));
      REQUIRE(c[128 + 8 * i + j] == c[8 * i + j]);
    }
}
