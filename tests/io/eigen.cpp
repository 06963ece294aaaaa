#include "sysdpo/io/eigen.hpp"

#include <vector>

#include "support/catch.hpp"

TEST_CASE("an array of two axes is a matrix in place", "[eigen]") {
  std::vector<double> numbers{1, 2, 3, 4, 5, 6};
  auto matrix = sysdpo::as_matrix(sysdpo::array_view<double>{numbers.data(), {2, 3}});
  CHECK(matrix(1, 0) == 4);
  matrix(0, 2) = 9;
  CHECK(numbers[2] == 9);
  Eigen::VectorXd const product =
      sysdpo::as_matrix(sysdpo::array_view<double const>{numbers.data(), {2, 3}}) * Eigen::Vector3d(1, 1, 1);
  CHECK(product(0) == 12);
  CHECK(product(1) == 15);
  CHECK_THROWS_AS(sysdpo::as_matrix(sysdpo::array_view<double>{numbers.data(), {6}}), sysdpo::error);
}
