#include "sysdpo/policy/deterministic.hpp"

#include "support/catch.hpp"

namespace {

struct difference {
  double operator()(int a, int b) const { return a - b; }
};
using three = sysdpo::category<3>;
using tool = sysdpo::deterministic<difference, sysdpo::scalar>;
static_assert(!sysdpo::is_scored<tool>);
static_assert(sysdpo::node_policy<tool>);

}  // namespace

TEST_CASE("a tool's values are its function of the parents, in their order", "[policy]") {
  int const one = 1;
  int const two = 2;
  std::vector<sysdpo::drawn_request<three, three>> const requests{{.parents = {&two, &one}},
                                                                  {.parents = {&one, &two}}};
  auto const drawn = tool::sample(sysdpo::no_model{}, {}, std::span(requests));
  CHECK(drawn.values == std::vector{1.0, -1.0});
  CHECK(drawn.valid == std::vector{true, true});
  CHECK(drawn.retries == 0);
}

TEST_CASE("a tool recognises values that it would not return", "[policy]") {
  int const one = 1;
  int const two = 2;
  CHECK(tool::follows<int, int>(1.0, {two, one}));
  CHECK_FALSE(tool::follows<int, int>(1.0, {one, two}));
}
