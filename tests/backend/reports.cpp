#include "sysdpo/backend/device/reports.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"
#include "sysdpo/core/error.hpp"

namespace {

/// Host memory, and how often somebody waited.
struct host {
  inline static int pieces = 0;
  inline static int waits = 0;
  static std::int64_t* allocate(std::size_t numbers) {
    ++pieces;
    return new std::int64_t[numbers];
  }
  static void release(std::int64_t* memory) noexcept {
    --pieces;
    delete[] memory;
  }
  static void wait() { ++waits; }
};

using list = sysdpo::report_list<host>;

list::description found_by(std::string const& name) {
  return [name](std::int64_t position, std::int64_t id) {
    sysdpo::fail({name, std::to_string(position), "id " + std::to_string(id), ""});
  };
}

void find(std::int64_t* slot, std::int64_t position, std::int64_t id) {
  slot[1] = id;
  slot[0] = position;
}

}  // namespace

TEST_CASE("the first kernel that found fault is the one that is reported, once", "[backend]") {
  {
    list reports;
    CHECK(host::pieces == 0);
    reports.evaluate();
    (void)reports.take(found_by("first"));
    auto* const second = reports.take(found_by("second"));
    auto* const third = reports.take(found_by("third"));
    find(third, 0, 1);
    find(second, 7, -2);
    CHECK_THROWS_WITH(reports.evaluate(), "second (7): id -2.");
    CHECK(reports.size() == 0);
    reports.evaluate();

    auto* const again = reports.take(found_by("again"));
    CHECK((again[0] == -1 && again[1] == -1));
    reports.evaluate();
  }
  CHECK(host::pieces == 0);
}

TEST_CASE("a list that is full waits, and throws what it finds", "[backend]") {
  list reports;
  host::waits = 0;
  auto* const first = reports.take(found_by("first"));
  for (std::size_t i = 1; i < list::capacity; ++i) (void)reports.take(found_by("other"));
  CHECK(host::waits == 0);
  find(first, 3, 4);
  CHECK_THROWS_WITH(reports.take(found_by("last")), "first (3): id 4.");
  CHECK(host::waits == 1);
  (void)reports.take(found_by("last"));
  CHECK(reports.size() == 1);
  CHECK(host::pieces == 1);
}

TEST_CASE("recorded work keeps its slots, and reports each time it is done", "[backend]") {
  std::vector<list::entry> recorded;
  {
    list reports;
    auto* const before = reports.take(found_by("before"));
    find(before, 1, 1);
    reports.begin_recording();
    auto* const slot = reports.take(found_by("recorded"));
    reports.evaluate();  // nothing of what is recorded is there yet
    before[0] = before[1] = -1;
    recorded = reports.end_recording();
    CHECK(reports.size() == 1);
    reports.evaluate();
    CHECK(reports.take(found_by("after")) == before);

    for (int time = 0; time < 2; ++time) {
      reports.open_again(recorded);
      reports.open_again(recorded);
      find(slot, time, 5);
      CHECK_THROWS_WITH(reports.evaluate(), "recorded (" + std::to_string(time) + "): id 5.");
      reports.evaluate();
    }

    // Recorded work that holds all slots leaves room for more.
    reports.evaluate();
    reports.begin_recording();
    for (std::size_t i = 1; i < list::capacity; ++i) (void)reports.take(found_by("all"));
    auto rest = reports.end_recording();
    CHECK(reports.take(found_by("more")) != slot);
    CHECK(host::pieces == 2);

    // The same work, walked again, keeps its slots and says what they mean now.
    reports.evaluate();
    reports.begin_repetition(recorded);
    CHECK(reports.take(found_by("again")) == slot);
    CHECK(reports.end_repetition());
    reports.begin_repetition(recorded);
    (void)reports.take(found_by("again"));
    CHECK_THROWS_AS(reports.take(found_by("one too many")), sysdpo::other_work);
    CHECK(!reports.end_repetition());
    reports.begin_repetition(rest);
    CHECK(!reports.end_repetition());
    reports.open_again(recorded);
    find(slot, 2, 5);
    CHECK_THROWS_WITH(reports.evaluate(), "again (2): id 5.");
  }
  CHECK(host::pieces == 2);  // as long as something may be done again
  recorded.clear();
  CHECK(host::pieces == 0);
}
