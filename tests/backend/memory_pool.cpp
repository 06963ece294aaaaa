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

struct in_pieces : from_the_heap {
  static constexpr std::size_t granularity = std::size_t{2} << 20;
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

TEST_CASE("large blocks are whole pieces of a source that gives nothing less", "[backend]") {
  sysdpo::memory_pool<in_pieces> pool;
  auto const taken = [&](std::size_t bytes) {
    auto* const block = pool.take(bytes);
    CHECK(pool.bytes_in_use() == block->bytes);
    pool.give_back(block);
    return block->bytes;
  };
  constexpr std::size_t mib = 1 << 20;
  CHECK(taken(1000) == 1024);
  CHECK(taken(mib) == mib);
  CHECK(taken(mib + 1) == 2 * mib);
  CHECK(taken(5 * mib / 2) == 4 * mib);
  CHECK(taken(5 * mib) == 6 * mib);
  CHECK(taken(9 * mib) == 10 * mib);
  CHECK(pool.held_bytes() == 23 * mib + 1024);
  CHECK(taken(10 * mib - 5) == 10 * mib);  // the same block
  CHECK(pool.held_bytes() == 23 * mib + 1024);
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

TEST_CASE("blocks of a reservation serve it alone until they are released", "[backend]") {
  sysdpo::memory_pool<counted> pool;
  auto* const older = pool.take(1000);
  auto* const idle = pool.take(2000);
  pool.give_back(idle);

  pool.begin_reservation();
  CHECK_THROWS_AS(pool.begin_reservation(), sysdpo::error);
  pool.give_back(older);
  auto* const taken = pool.take(1000);
  CHECK(taken != older);  // whose content the recorded work reads
  pool.give_back(taken);
  auto* const result = pool.take(1000);
  CHECK(result == taken);  // nothing outlives what is recorded in order
  CHECK(pool.take(2000) == idle);
  pool.trim();
  CHECK(pool.held_bytes() == older->bytes + taken->bytes + idle->bytes);
  auto const reserved = pool.end_reservation();
  CHECK(reserved.blocks == std::vector{older, taken, idle});
  CHECK(reserved.taken == std::vector{taken, taken, idle});

  // Afterwards nobody gets them, whether they were given back before or only now.
  pool.give_back(idle);
  auto* const another = pool.take(1000);
  auto* const large = pool.take(2000);
  CHECK((another != older && another != result && large != idle));

  // A second reservation leaves those of the first alone.
  pool.begin_reservation();
  pool.give_back(result);
  auto* const of_the_second = pool.take(1000);
  CHECK((of_the_second != result && of_the_second != older));
  pool.give_back(of_the_second);
  auto const second = pool.end_reservation();
  CHECK(second.blocks == std::vector{of_the_second});
  pool.trim();
  CHECK(counted::held.size() == 6);

  pool.release(reserved);
  pool.release(second);
  CHECK(pool.take(2000) == idle);
  pool.give_back(idle);
  pool.give_back(another);
  pool.give_back(large);
  CHECK(pool.bytes_in_use() == 0);
  pool.trim();
  CHECK(counted::held.empty());
  CHECK(pool.held_bytes() == 0);
}

TEST_CASE("a repetition is served as the reservation was, or says that it cannot be", "[backend]") {
  sysdpo::memory_pool<counted> pool;
  pool.begin_reservation();
  auto* const first = pool.take(1000);
  pool.give_back(first);
  auto* const second = pool.take(1000);
  auto* const third = pool.take(500);
  auto const reserved = pool.end_reservation();
  pool.give_back(second);
  REQUIRE(first == second);

  pool.begin_repetition(reserved);
  CHECK_THROWS_AS(pool.begin_repetition(reserved), sysdpo::error);
  CHECK(pool.take(1000) == first);
  CHECK_THROWS_AS(pool.take(1000), sysdpo::other_work);  // it is in use
  pool.give_back(first);
  CHECK_THROWS_AS(pool.take(2000), sysdpo::other_work);
  CHECK(pool.take(999) == first);
  CHECK_THROWS_AS(pool.take(500), sysdpo::other_work);  // somebody has kept the third
  sysdpo::memory_block* of_another_thread = nullptr;
  std::jthread([&] { of_another_thread = pool.take(500); }).join();
  CHECK((of_another_thread != nullptr && of_another_thread != third));
  pool.give_back(third);
  CHECK(pool.take(500) == third);
  CHECK_THROWS_AS(pool.take(500), sysdpo::other_work);  // there were three
  pool.give_back(first);
  CHECK(!pool.end_repetition());  // something was refused
  pool.give_back(third);
  pool.begin_repetition(reserved);
  for (auto const size : {1000, 1000}) pool.give_back(pool.take(static_cast<std::size_t>(size)));
  CHECK(pool.take(500) == third);
  CHECK(pool.end_repetition());
  pool.begin_repetition(reserved);
  CHECK(!pool.end_repetition());

  pool.begin_reservation();
  bool was_refused = false;
  std::jthread([&] {
    try {
      (void)pool.take(100);
    } catch (sysdpo::error const&) {
      was_refused = true;
    }
  }).join();
  CHECK(was_refused);
  pool.release(pool.end_reservation());

  auto* const other = pool.take(1000);
  CHECK(other != first);
  pool.release(reserved);
  CHECK(pool.take(1000) == first);
  for (auto* const block : {first, third, other, of_another_thread}) pool.give_back(block);
}

TEST_CASE("a block that outlives its reservation is an ordinary one", "[backend]") {
  sysdpo::memory_pool<counted> pool;
  pool.begin_reservation();
  auto* const block = pool.take(100);
  auto const reserved = pool.end_reservation();
  pool.release(reserved);
  auto* const other = pool.take(100);
  CHECK(other != block);
  pool.give_back(block);
  CHECK(pool.take(100) == block);
  pool.give_back(block);
  pool.give_back(other);
}

TEST_CASE("a limit bounds what is taken from the system, after unused blocks went back", "[backend]") {
  {
    sysdpo::memory_pool<counted> pool;
    pool.set_limit(10000);
    auto* const kept = pool.take(4096);
    pool.give_back(pool.take(4096));  // waits for reuse, of another size than is asked for next
    auto* const other = pool.take(2048);
    CHECK(pool.system_allocations() == 3);
    pool.give_back(pool.take(3072));
    auto held = std::size_t{0};
    for (auto const& [memory, bytes] : counted::held) held += bytes;
    CHECK(held == 4096 + 2048 + 3072);
    auto const in_use = pool.bytes_in_use();
    CHECK_THROWS_AS(pool.take(5 << 20), sysdpo::memory_error);
    CHECK_THROWS_WITH(pool.take(5 << 20), Catch::Contains("memory pool") &&
                                              Catch::Contains("5120 KiB more than") &&
                                              Catch::Contains("limit of 9 KiB"));
    CHECK(pool.bytes_in_use() == in_use);
    pool.set_limit(0);
    pool.give_back(pool.take(5 << 20));
    pool.give_back(kept);
    pool.give_back(other);
  }
  CHECK(counted::held.empty());
}

TEST_CASE("a source that refuses is asked once more, then its words come as a memory error", "[backend]") {
  struct refusing {
    static void* allocate(std::size_t) { sysdpo::fail({"toy memory", "", "there is none", "Buy some"}); }
    static void release(void*, std::size_t) noexcept {}
  };
  sysdpo::memory_pool<refusing> pool;
  try {
    static_cast<void>(pool.take(100));
    FAIL("it took what is not there");
  } catch (sysdpo::memory_error const& refused) {
    CHECK(refused.parts().thing == "toy memory");
  }
  CHECK(pool.bytes_in_use() == 0);
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
