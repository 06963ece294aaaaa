#include "sysdpo/model/parameters.hpp"

#include "support/catch.hpp"
#include "sysdpo/backend/cpu.hpp"
#include "sysdpo/model/table.hpp"

using Catch::Contains;
using weights = sysdpo::parameter_set<sysdpo::cpu, sysdpo::precision<float>>;

TEST_CASE("a weight that no machine holds is refused by its name, not by the allocator", "[parameters]") {
  weights set;
  auto const huge = sysdpo::index_t{1} << 62;
  CHECK_THROWS_WITH(set.add("a", {huge}, sysdpo::zeros), Contains("a [4611686018427387904]"));
  CHECK_THROWS_WITH(set.add("b", {huge, 4}, sysdpo::zeros), Contains("no room"));  // the product wraps to 0
  CHECK_THROWS_WITH(set.add("c", {sysdpo::index_t{1} << 20, sysdpo::index_t{1} << 21}, sysdpo::zeros),
                    Contains("no room"));
  CHECK(set.size() == 0);
  CHECK(set.add("d", {2, 0, 3}, sysdpo::ones).value.size() == 0);
  CHECK_THROWS_AS(
      (sysdpo::table_model<sysdpo::cpu, sysdpo::precision<float>>({.contexts = huge, .categories = huge})),
      sysdpo::error);
}

TEST_CASE("weights are found by name, frozen by prefix, counted, and copied between equal sets only",
          "[parameters]") {
  weights set(3);
  set.add("left.w", {2, 3}, sysdpo::normal(1));
  set.add("right.w", {4}, sysdpo::ones);
  CHECK(set.elements() == 10);
  CHECK(set.find("none") == nullptr);
  CHECK_THROWS_WITH(set.add("right.w", {1}, sysdpo::zeros), Contains("the name is taken"));
  set.set_trainable(false, "left.");
  CHECK_FALSE(set.find("left.w")->trainable);
  CHECK(set.find("right.w")->trainable);

  weights same(4);
  same.add("left.w", {2, 3}, sysdpo::normal(1));
  same.add("right.w", {4}, sysdpo::zeros);
  same.copy_values(set);
  CHECK(same.find("left.w")->value.to_host() == set.find("left.w")->value.to_host());
  CHECK(same.find("right.w")->value.to_host() == std::vector<float>(4, 1.0F));

  weights shorter;
  shorter.add("left.w", {2, 3}, sysdpo::zeros);
  CHECK_THROWS_WITH(shorter.copy_values(set), Contains("differ in length"));
  weights other;
  other.add("left.w", {3, 2}, sysdpo::zeros);
  other.add("right.w", {4}, sysdpo::zeros);
  CHECK_THROWS_WITH(other.copy_values(set), Contains("left.w") && Contains("[2, 3]"));
}

TEST_CASE("each weight starts from numbers of its own, which its seed and its place decide", "[parameters]") {
  auto const started = [](std::uint64_t seed) {
    weights set(seed);
    set.add("a", {5}, sysdpo::normal(1));
    set.add("b", {5}, sysdpo::normal(1));
    return std::pair(set.find("a")->value.to_host(), set.find("b")->value.to_host());
  };
  auto const [a, b] = started(3);
  CHECK(a != b);
  CHECK(started(3) == std::pair(a, b));
  CHECK(started(4).first != a);
}

TEST_CASE("a weight starts with its stream's numbers, however many threads draw them", "[parameters]") {
  auto const threads = sysdpo::cpu_threads();
  for (int const count : {1, 3}) {
    sysdpo::set_cpu_threads(count);
    weights set(5);
    set.add("first", {1}, sysdpo::zeros);
    sysdpo::index_t const size = 16 * 3 * 4096 + 7;
    auto const got = set.add("second", {size}, {.mean = 2, .deviation = 0.5}).value.to_host();
    std::vector<float> normals(static_cast<std::size_t>(size));
    sysdpo::fill_normal(normals, {.seed = 5, .pair = 1});
    for (std::size_t i = 0; i < got.size(); ++i)
      if (got[i] != static_cast<float>(2 + 0.5 * static_cast<double>(normals[i]))) FAIL("element " << i);
  }
  sysdpo::set_cpu_threads(threads);
}
