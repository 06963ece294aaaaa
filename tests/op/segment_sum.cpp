#include "sysdpo/op/segment_sum.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/segment_sum.hpp"

using sysdpo::index_t;
using test::random_tensor;

TEST_CASE("segment_sum adds up each sequence, empty ones to zero", "[op]") {
  auto const sequences = sysdpo::pack_lengths<sysdpo::cpu>(std::vector<index_t>{2, 0, 3, 0});
  auto const x = random_tensor({5}, 1);
  test::tape tape(sysdpo::recording::off);
  auto const y = sysdpo::segment_sum(tape, tape.constant(x), sequences).value().to_host();
  auto const* const at = x.data();
  REQUIRE(y.size() == 4);
  REQUIRE(y[0] == Approx(at[0] + at[1]));
  REQUIRE(y[1] == 0);
  REQUIRE(y[2] == Approx(at[2] + at[3] + at[4]));
  REQUIRE(y[3] == 0);
  test::check_gradients([&](auto& t, auto const& in) { return sysdpo::segment_sum(t, in[0], sequences); },
                        {x});
}

TEST_CASE("segment_sum names rows that the sequences do not hold", "[op]") {
  auto const sequences = sysdpo::pack_lengths<sysdpo::cpu>(std::vector<index_t>{2, 2});
  test::tape tape;
  REQUIRE_THROWS_WITH(sysdpo::segment_sum(tape, tape.constant(random_tensor({5}, 1)), sequences),
                      Catch::Contains("[5]") && Catch::Contains("4 rows"));
}
