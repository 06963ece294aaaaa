#include "sysdpo/backend/memory_pool.hpp"

#include <array>
#include <atomic>
#include <cstdlib>
#include <map>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace {

/// Counts what the pool asks of the system.
struct counted {
  inline static std::map<void*, std::size_t> held;
  static void* allocate(std::size_t bytes) {
    auto* const memory = std::malloc(bytes);
    held[memory] = bytes;
    return memory;
  }
  static void release(void* memory, std::size_t bytes) noexcept {
    CHECK(held.at(memory) == bytes);
    held.erase(memory);
    std::free(memory);
  }
};

struct from_the_heap {
  static void* allocate(std::size_t bytes) { return std::malloc(bytes); }
  static void release(void* memory, std::size_t) noexcept { std::free(memory); }
};

}  // namespace

TEST_CASE("a block given back serves the next request of its size class", "[backend]") {
  {
    sysdpo::memory_pool<counted> pool;
    auto* const first = pool.take(1000);
    auto* const memory = first->data;
    pool.give_back(first);
    auto* const again = pool.take(1000);
    CHECK(again->data == memory);
    CHECK(pool.system_allocations() == 1);
    auto* const larger = pool.take(5000);
    CHECK(pool.system_allocations() == 2);
    CHECK(pool.bytes_in_use() >= 6000);
    pool.give_back(again);
    pool.give_back(larger);
    CHECK(pool.bytes_in_use() == 0);
    CHECK(pool.peak_bytes() >= 6000);
    pool.reset_peak();
    CHECK(pool.peak_bytes() == 0);
  }
  CHECK(counted::held.empty());
}

TEST_CASE("blocks hold what was asked for and waste at most a quarter", "[backend]") {
  sysdpo::memory_pool<counted> pool;
  for (std::size_t bytes = 1; bytes < 3000000; bytes = bytes * 5 / 4 + 1) {
    auto* const block = pool.take(bytes);
    CHECK(block->bytes >= bytes);
    if (bytes > 256) CHECK(static_cast<double>(block->bytes) <= 1.25 * static_cast<double>(bytes));
    pool.give_back(block);
    auto* const again = pool.take(block->bytes);
    CHECK(again == block);
    pool.give_back(again);
  }
}

TEST_CASE("threads that take and give back at once never hold the same block", "[backend]") {
  sysdpo::memory_pool<from_the_heap> pool;
  std::atomic<int> shared = 0;
  {
    std::vector<std::jthread> users;
    for (int user = 1; user <= 4; ++user)
      users.emplace_back([&, user] {
        std::array<sysdpo::memory_block*, 3> held{};
        for (int i = 0; i < 2000; ++i) {
          for (auto& block : held) {
            block = pool.take(64);
            *static_cast<int*>(block->data) = user;
          }
          for (auto* block : held) {
            shared += *static_cast<int*>(block->data) != user ? 1 : 0;
            pool.give_back(block);
          }
        }
      });
  }
  CHECK(shared == 0);
  CHECK(pool.bytes_in_use() == 0);
  CHECK(pool.system_allocations() <= 12);
}
