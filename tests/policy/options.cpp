#include "sysdpo/policy/options.hpp"

#include "support/catch.hpp"
#include "support/tabular_systems.hpp"

namespace {

using namespace test;

/// A policy with settings, used by two nodes.
struct tuned {
  using value = three;
  using model = sysdpo::no_model;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;
  struct options {
    int level = 7;
  };
};
using pipeline = sysdpo::system<sysdpo::source<question, sysdpo::category<1>>,
                                sysdpo::node<draft, tuned, sysdpo::from<question>>,
                                sysdpo::node<answer, tuned, sysdpo::from<draft>>>;

static_assert(sysdpo::has_options<tuned>);
static_assert(!sysdpo::has_options<sysdpo::tabular<draft_table, three>>);
static_assert(sysdpo::policy_options<pipeline>::policies::size == 1);

}  // namespace

TEST_CASE("nodes that share a policy share its settings, which start with their defaults", "[policy]") {
  sysdpo::policy_options<pipeline> settings;
  CHECK(settings.get<tuned>().level == 7);
  settings.get<tuned>() = {.level = 2};
  CHECK(std::as_const(settings).get<tuned>().level == 2);
}

TEST_CASE("numbers of nodes are found by name", "[policy]") {
  auto numbers = sysdpo::node_numbers<pipeline>::all(1.5);
  numbers.at<answer>() = 4;
  CHECK(numbers.at<draft>() == 1.5);
  CHECK(std::as_const(numbers).at<answer>() == 4);
  CHECK(numbers.values[pipeline::index_of<answer>] == 4);
  CHECK(sysdpo::node_numbers<pipeline, int>{}.at<draft>() == 0);
}
