#include "sysdpo/op/rope.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/rope.hpp"

using ids = sysdpo::tensor<sysdpo::cpu, std::int32_t>;
using sysdpo::index_t;
using test::random_tensor;

TEST_CASE("rope turns each pair of elements by position times frequency", "[op]") {
  auto const table = sysdpo::make_rope_table<sysdpo::cpu, double>(10, 6, 100);
  auto const at = ids::from_host({3}, std::vector<std::int32_t>{0, 4, 9});
  auto const x = random_tensor({3, 2, 6}, 1);
  test::tape tape(sysdpo::recording::off);
  auto const y = sysdpo::rope(tape, tape.constant(x), at, table).value();
  for (index_t n = 0; n < 3; ++n)
    for (index_t h = 0; h < 2; ++h)
      for (index_t i = 0; i < 3; ++i) {
        auto const angle = at.data()[n] / std::pow(100.0, static_cast<double>(i) / 3);
        auto const* const in = x.data() + (n * 2 + h) * 6 + i;
        auto const* const out = y.data() + (n * 2 + h) * 6 + i;
        REQUIRE(out[0] == Approx(in[0] * std::cos(angle) - in[3] * std::sin(angle)).margin(1e-12));
        REQUIRE(out[3] == Approx(in[3] * std::cos(angle) + in[0] * std::sin(angle)).margin(1e-12));
      }
  test::check_gradients([&](auto& t, auto const& in) { return sysdpo::rope(t, in[0], at, table); }, {x});
  test::check_gradients(  // its gradient passes through a variable of other extents
      [&](auto& t, auto const& in) {
        return sysdpo::rope(t, in[0].reshaped({3, 2, 6}), at, table).reshaped({36});
      },
      {random_tensor({3, 12}, 2)});
}

TEST_CASE("rope makes scores depend on distances alone", "[op]") {
  auto const table = sysdpo::make_rope_table<sysdpo::cpu, double>(64, 8, 10000);
  auto const x = random_tensor({2, 1, 8}, 1);
  auto const score = [&](std::int32_t a, std::int32_t b) {
    test::tape tape(sysdpo::recording::off);
    auto const y =
        sysdpo::rope(tape, tape.constant(x), ids::from_host({2}, std::vector{a, b}), table).value();
    return std::inner_product(y.data(), y.data() + 8, y.data() + 8, 0.0);
  };
  REQUIRE(score(3, 10) == Approx(score(50, 57)));
  REQUIRE(score(3, 10) != Approx(score(3, 11)));
}

TEST_CASE("rope names what does not fit", "[op]") {
  auto const table = sysdpo::make_rope_table<sysdpo::cpu, double>(10, 6, 100);
  test::tape tape;
  auto const x = tape.constant(random_tensor({1, 1, 6}, 1));
  REQUIRE_THROWS_WITH(sysdpo::rope(tape, x, ids::from_host({1}, std::vector{10}), table),
                      Catch::Contains("id 10"));
  REQUIRE_THROWS_WITH(sysdpo::rope(tape, x, ids::from_host({2}, std::vector{1, 2}), table),
                      Catch::Contains("[1, 1, 6]"));
  REQUIRE_THROWS_WITH((sysdpo::make_rope_table<sysdpo::cpu, double>(10, 5, 100)), Catch::Contains("even"));
}
