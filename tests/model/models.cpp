#include "sysdpo/model/models.hpp"

#include "support/catch.hpp"
#include "support/tabular_systems.hpp"

using namespace test;

namespace {

std::vector<double> values_of(auto& model) { return model.parameters().begin()->value.to_host(); }

/// Two tables of one size.
double_models<skip_system> equal_sizes(std::uint64_t seed) {
  sysdpo::table_config const size{.contexts = 3, .categories = 3, .initial_deviation = 1};
  return double_models<skip_system>({size, size}, seed);
}

}  // namespace

TEST_CASE("weights start from the seed and the model's place, each model from its own", "[models]") {
  auto models = equal_sizes(1);
  auto again = equal_sizes(1);
  auto other = equal_sizes(2);
  CHECK(values_of(models.get<draft_table>()) == values_of(again.get<draft_table>()));
  CHECK(values_of(models.get<draft_table>()) != values_of(models.get<answer_table>()));
  CHECK(values_of(models.get<draft_table>()) != values_of(other.get<draft_table>()));
  CHECK(values_of(models.get<answer_table>()) != values_of(other.get<draft_table>()));
}

TEST_CASE("a copy has the same weights and frozen parts, and a life of its own", "[models]") {
  auto models = equal_sizes(1);
  models.get<draft_table>().parameters().set_trainable(false);
  auto copy = models;
  CHECK_FALSE(copy.get<draft_table>().parameters().begin()->trainable);
  CHECK(copy.get<answer_table>().parameters().begin()->trainable);
  CHECK(values_of(copy.get<draft_table>()) == values_of(models.get<draft_table>()));
  models.get<draft_table>().parameters().begin()->value.data()[0] += 1;
  CHECK(values_of(copy.get<draft_table>()) != values_of(models.get<draft_table>()));

  auto const before = equal_sizes(3);
  copy.copy_values(before);
  CHECK(values_of(copy.get<answer_table>()) == values_of(before.get<answer_table>()));
  CHECK(copy.get<draft_table>().parameters().begin()->trainable);
}
