#include "sysdpo/backend/cpu/parallel.hpp"

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/catch.hpp"

namespace {

/// Gives the calling thread `count` threads for one test.
struct with_threads {
  explicit with_threads(int count) : before(sysdpo::cpu_threads()) { sysdpo::set_cpu_threads(count); }
  ~with_threads() { sysdpo::set_cpu_threads(before); }
  int before;
};

}  // namespace

TEST_CASE("every element is visited once, whatever the grain", "[backend]") {
  for (int const threads : {1, 2, 5}) {
    with_threads const scope(threads);
    for (sysdpo::index_t const size : {0, 1, 7, 1000})
      for (sysdpo::index_t const grain : {1, 3, 2000}) {
        std::vector<int> visits(static_cast<std::size_t>(size));
        sysdpo::parallel_for(size, grain, [&](sysdpo::index_t begin, sysdpo::index_t end) {
          for (auto i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
        });
        REQUIRE(visits == std::vector<int>(visits.size(), 1));
      }
  }
}

TEST_CASE("an exception in any part reaches the caller, and the pool goes on", "[backend]") {
  with_threads const scope(3);
  for (int i = 0; i < 20; ++i) {
    REQUIRE_THROWS_AS(sysdpo::parallel_for(300, 1,
                                           [](sysdpo::index_t begin, sysdpo::index_t) {
                                             if (begin > 0) throw std::runtime_error("part");
                                           }),
                      std::runtime_error);
    std::atomic<sysdpo::index_t> sum = 0;
    sysdpo::parallel_for(300, 1, [&](sysdpo::index_t begin, sysdpo::index_t end) { sum += end - begin; });
    REQUIRE(sum == 300);
  }
}

TEST_CASE("several threads may fork at once, and forks may nest", "[backend]") {
  std::atomic<sysdpo::index_t> sum = 0;
  std::vector<std::thread> users;
  for (int user = 0; user < 4; ++user)
    users.emplace_back([&] {
      sysdpo::set_cpu_threads(3);
      for (int i = 0; i < 200; ++i)
        sysdpo::parallel_for(30, 1, [&](sysdpo::index_t begin, sysdpo::index_t end) {
          sysdpo::parallel_for(end - begin, 1, [&](sysdpo::index_t b, sysdpo::index_t e) { sum += e - b; });
        });
    });
  for (auto& user : users) user.join();
  REQUIRE(sum == 4 * 200 * 30);
}

TEST_CASE("every part is done once, by whoever comes first, on a machine that is busy", "[backend]") {
  with_threads const scope(4);
  std::atomic<bool> stop = false;
  std::vector<std::thread> others;
  for (int i = 0; i < 4; ++i)
    others.emplace_back([&] {
      while (!stop.load()) {
      }
    });
  for (int fork = 0; fork < 2000; ++fork) {
    std::vector<std::atomic<int>> visits(4);
    sysdpo::parallel_for(4, 1, [&](sysdpo::index_t begin, sysdpo::index_t end) {
      if (begin == fork % 4) std::this_thread::yield();  // so that parts end in any order
      for (auto i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
    });
    for (auto const& each : visits) REQUIRE(each.load() == 1);
  }
  stop = true;
  for (auto& other : others) other.join();
}

TEST_CASE("a thread count below one is refused", "[backend]") {
  REQUIRE_THROWS_AS(sysdpo::set_cpu_threads(0), sysdpo::error);
}
