#include "sysdpo/op/embedding.hpp"

#include "support/finite_difference.hpp"
#include "sysdpo/backend/cpu/embedding.hpp"

using ids = sysdpo::tensor<sysdpo::cpu, std::int32_t>;
using test::random_tensor;

TEST_CASE("embedding picks rows and adds up their gradients", "[op]") {
  auto const picked = ids::from_host({5}, std::vector<std::int32_t>{3, 0, 3, 3, 1});
  auto const table = random_tensor({4, 3}, 1);
  test::tape tape(sysdpo::recording::off);
  auto const y = sysdpo::embedding(tape, tape.constant(table), picked).value();
  REQUIRE(y.extents() == sysdpo::shape{5, 3});
  for (sysdpo::index_t n = 0; n < 5; ++n)
    for (sysdpo::index_t c = 0; c < 3; ++c)
      REQUIRE(y.data()[n * 3 + c] == table.data()[picked.data()[n] * 3 + c]);
  test::check_gradients([&](auto& t, auto const& in) { return sysdpo::embedding(t, in[0], picked); },
                        {table});
}

TEST_CASE("embedding's gradient is the same for any number of threads", "[op]") {
  std::vector<std::int32_t> many;
  for (int i = 0; i < 4000; ++i) many.push_back(i * i % 97);
  auto const picked = ids::from_host({4000}, many);
  auto const table = random_tensor({97, 32}, 1);
  auto const gradient = [&](int threads) {
    auto const before = sysdpo::cpu_threads();
    sysdpo::set_cpu_threads(threads);
    sysdpo::gradient_slot<sysdpo::cpu, double> slot;
    test::tape tape;
    tape.backward(sysdpo::embedding(tape, tape.watch(table, slot), picked), random_tensor({4000, 32}, 2));
    sysdpo::set_cpu_threads(before);
    return slot.value.to_host();
  };
  REQUIRE(gradient(1) == gradient(3));
}

TEST_CASE("embedding names the id that the table lacks", "[op]") {
  test::tape tape;
  auto const table = tape.constant(random_tensor({4, 3}, 1));
  auto const look_up = [&](std::int32_t id) {
    return sysdpo::embedding(tape, table, ids::from_host({2}, std::vector<std::int32_t>{1, id}));
  };
  REQUIRE_THROWS_WITH(look_up(4), Catch::Contains("position 1") && Catch::Contains("id 4") &&
                                      Catch::Contains("vocabulary of 4"));
  REQUIRE_THROWS_WITH(look_up(-1), Catch::Contains("id -1"));
}
