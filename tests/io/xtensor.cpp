#include "sysdpo/io/xtensor.hpp"

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "support/catch.hpp"

using Catch::Contains;

TEST_CASE("array views and xtensors share elements", "[xtensor]") {
  std::vector<float> numbers(24);
  std::iota(numbers.begin(), numbers.end(), 0.0f);
  auto array = sysdpo::as_xtensor<3>(sysdpo::array_view<float>{numbers.data(), {2, 3, 4}});
  CHECK(array(1, 2, 3) == 23.0f);
  array(0, 1, 2) = -1.0f;
  CHECK(numbers[6] == -1.0f);
  CHECK_THROWS_WITH(sysdpo::as_xtensor<2>(sysdpo::array_view<float const>{numbers.data(), {2, 3, 4}}),
                    Contains("[2, 3, 4]") && Contains("3 axes, not 2"));

  xt::xtensor<double, 2> owner = {{1, 2, 3}, {4, 5, 6}};
  auto const view = sysdpo::as_array_view(owner);
  CHECK(view.extents == sysdpo::shape{2, 3});
  view[5] = 7;
  CHECK(owner(1, 2) == 7);
  CHECK(sysdpo::as_array_view(std::as_const(owner))[0] == 1);
}

TEST_CASE("images are arrays of height, width and channels", "[xtensor]") {
  using picture = sysdpo::image<3, 2, 4>;
  std::vector<float> numbers(24);
  std::iota(numbers.begin(), numbers.end(), 0.0f);
  picture::type image(numbers);
  auto const array = sysdpo::as_xtensor(image);
  CHECK(array.shape(0) == 2);
  CHECK(array.shape(1) == 4);
  CHECK(array.shape(2) == 3);
  for (int row = 0; row < 2; ++row)
    for (int column = 0; column < 4; ++column)
      for (int channel = 0; channel < 3; ++channel)
        CHECK(array(row, column, channel) == image(row, column, channel));

  auto const halved =
      sysdpo::to_image<picture>(array * 0.5f);  // from an expression that is not evaluated yet
  CHECK(halved(1, 3, 2) == 11.5f);
  CHECK_THROWS_WITH(sysdpo::to_image<picture>(xt::xtensor<float, 3>({3, 2, 4}, 0.0f)),
                    Contains("[3, 2, 4]") && Contains("[2, 4, 3]"));
  CHECK_THROWS_AS(sysdpo::as_xtensor(picture::type{}), sysdpo::error);
}

TEST_CASE("texts become a padded batch and back", "[xtensor]") {
  std::vector<sysdpo::text::type> const texts{{1, 2, 3}, {}, {4, 0, 5}, {6}};
  auto const batch = sysdpo::to_token_batch(texts, 0);
  CHECK((batch == xt::xtensor<std::int32_t, 2>{{1, 2, 3}, {0, 0, 0}, {4, 0, 5}, {6, 0, 0}}));
  CHECK(sysdpo::to_texts(batch, 0) == texts);
  CHECK(sysdpo::to_texts(sysdpo::to_token_batch({}, 0), 0).empty());
}

TEST_CASE("stored tensors become arrays and back", "[xtensor]") {
  xt::xarray<float> const array = {{1, 2}, {3, 4.5}};
  auto const tensor = sysdpo::as_tensor("x", array);
  CHECK(tensor.shape == std::vector<std::int64_t>{2, 2});
  CHECK((sysdpo::to_xarray<double>(tensor) == xt::xarray<double>{{1, 2}, {3, 4.5}}));
}
