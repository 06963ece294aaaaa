#include "sysdpo/kernel/check_ids.hpp"

#include "support/emulation.hpp"

using test::emulation;
using test::index_t;
using test::memory;

namespace {

/// Whether the first of the ids at `bad`, and no other, is reported.
bool passes(index_t size, std::vector<std::size_t> const& bad, emulation const& how) {
  memory<std::int32_t> const ids(size);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i % 50);
  std::size_t first = ids.size();
  for (auto const i : bad) {
    ids[i] = i % 2 == 0 ? 50 : -1 - static_cast<std::int32_t>(i);
    first = std::min(first, i);
  }
  memory<sysdpo::kernel::id_report> const report(1);
  test::run<sysdpo::kernel::check_ids>({ids.data(), size, 50, report.data()}, how);
  return first == ids.size()
             ? report[0].position == -1 && report[0].id == 0
             : report[0].position == static_cast<index_t>(first) && report[0].id == ids[first];
}

}  // namespace

TEST_CASE("the first id outside its table is reported", "[kernel]") {
  for (auto const& how : test::all_orders) {
    REQUIRE(passes(0, {}, how));
    for (index_t const size : {1, 7, 33, 129, 1024, 5000}) {
      auto const last = static_cast<std::size_t>(size - 1);
      REQUIRE(passes(size, {}, how));
      REQUIRE(passes(size, {0}, how));
      REQUIRE(passes(size, {last}, how));
      REQUIRE(passes(size, {last, last / 2, last * 2 / 3}, how));
    }
    REQUIRE(passes(5000, {4097, 1030, 2047, 1029}, how));
  }
}

TEST_CASE("each barrier of the check is needed", "[kernel]") {
  test::check_barriers([](emulation const& how) {
    return passes(1500, {77, 700, 1400}, how) && passes(1500, {1023, 1100}, how);
  });
}
