#include "sysdpo/core/array_view.hpp"

#include "support/catch.hpp"

using Catch::Contains;
using sysdpo::shape;

TEST_CASE("a shape counts elements and rows, from either end", "[array_view]") {
  shape const extents{2, 3, 4};
  CHECK(extents.rank() == 3);
  CHECK(extents.size() == 24);
  CHECK(extents.rows() == 6);
  CHECK(extents[0] == 2);
  CHECK(extents[-1] == 4);
  CHECK(to_string(extents) == "[2, 3, 4]");
  CHECK(shape{}.size() == 1);
  CHECK(shape{}.rows() == 0);
  CHECK(shape{5, 0}.rows() == 0);
  CHECK(to_string(shape{}) == "[]");
}

TEST_CASE("shapes are equal in rank and extents; a seventh axis is refused", "[array_view]") {
  CHECK(shape{2, 3} == shape{2, 3});
  CHECK_FALSE(shape{2, 3} == shape{2, 3, 1});
  CHECK_FALSE(shape{2, 3} == shape{3, 2});
  CHECK_THROWS_WITH((shape{1, 1, 1, 1, 1, 1, 1}), Contains("more than six axes"));
  shape grown;
  for (int axis = 0; axis < shape::max_rank; ++axis) grown.append(axis + 1);
  CHECK(grown == shape{1, 2, 3, 4, 5, 6});
  CHECK_THROWS_WITH(grown.append(7), Contains("more than six axes"));
}

TEST_CASE("a view of mutable elements is one of constant elements too", "[array_view]") {
  int numbers[]{1, 2, 3};
  sysdpo::array_view<int> const mutable_view{numbers, {3}};
  mutable_view[1] = 7;
  sysdpo::array_view<int const> const view = mutable_view;
  CHECK(view.size() == 3);
  CHECK(view[1] == 7);
  CHECK(static_cast<bool>(view));
  CHECK_FALSE(static_cast<bool>(sysdpo::array_view<int>{}));
}
