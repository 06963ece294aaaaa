#include "sysdpo/tensor/tensor.hpp"

#include <array>

#include "support/catch.hpp"
#include "sysdpo/backend/cpu/backend.hpp"
#include "sysdpo/tensor/packed.hpp"

using tensor = sysdpo::tensor<sysdpo::cpu, float>;

TEST_CASE("copies share the memory, clones do not", "[tensor]") {
  auto const a = tensor::from_host({2, 2}, std::array{1.0F, 2.0F, 3.0F, 4.0F});
  auto const shared = a;
  auto const own = a.clone();
  a.data()[0] = 9;
  REQUIRE(shared.data()[0] == 9);
  REQUIRE(own.to_host() == std::vector<float>{1, 2, 3, 4});
}

TEST_CASE("views of a tensor keep its memory alive", "[tensor]") {
  tensor row;
  {
    auto const a = tensor::from_host({2, 2}, std::array{1.0F, 2.0F, 3.0F, 4.0F});
    row = a.slice(1, 2);
  }
  auto const other = tensor::zeros({2, 2});
  REQUIRE(row.extents() == sysdpo::shape{1, 2});
  REQUIRE(row.to_host() == std::vector<float>{3, 4});
  REQUIRE(row.reshaped({2}).extents() == sysdpo::shape{2});
}

TEST_CASE("shapes that do not fit are refused", "[tensor]") {
  auto const a = tensor::zeros({2, 3});
  REQUIRE_THROWS_AS(a.reshaped({4}), sysdpo::error);
  REQUIRE_THROWS_AS(a.slice(1, 3), sysdpo::error);
  REQUIRE_THROWS_AS(a.slice(-1, 1), sysdpo::error);
  REQUIRE_THROWS_AS(tensor({2, -1}), sysdpo::error);
  REQUIRE_THROWS_AS(tensor::from_host({3}, std::array{1.0F}), sysdpo::error);
  REQUIRE_THROWS_AS((sysdpo::shape{1, 2, 3, 4, 5, 6, 7}), sysdpo::error);
}

TEST_CASE("packed sequences know where each lies", "[tensor]") {
  std::vector<std::vector<std::int32_t>> const sequences{{1, 2}, {}, {3}};
  auto const packed = sysdpo::pack_tokens<sysdpo::cpu>(sequences);
  REQUIRE(packed.ids.to_host() == std::vector<std::int32_t>{1, 2, 3});
  REQUIRE(packed.sequences.offsets.to_host() == std::vector<std::int32_t>{0, 2, 2, 3});
  REQUIRE(packed.sequences.longest == 2);
  REQUIRE_THROWS_AS(sysdpo::pack_lengths<sysdpo::cpu>(std::array<sysdpo::index_t, 1>{-1}), sysdpo::error);
}
