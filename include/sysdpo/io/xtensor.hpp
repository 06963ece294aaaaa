// The people's side of N-d data: views, images, token batches and stored tensors as xtensor arrays, and back.
// `as_...` copies nothing and lives as long as what it looks at; `to_...` copies. Everything is row-major.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xtensor.hpp>

#include "sysdpo/core/array_view.hpp"
#include "sysdpo/core/error.hpp"
#include "sysdpo/graph/value.hpp"
#include "sysdpo/io/safetensors.hpp"

namespace sysdpo {

/// `view` as an xtensor of rank `Rank`, which must be its own; elements can be written where T is not const.
template <std::size_t Rank, class T>
[[nodiscard]] auto as_xtensor(array_view<T> view) {
  if (view.extents.rank() != static_cast<int>(Rank))
    fail({.thing = "as_xtensor",
          .place = to_string(view.extents),
          .cause = fmt::format("the array has {} axes, not {}", view.extents.rank(), Rank),
          .remedy = "Ask for its own number of axes"});
  std::array<std::size_t, Rank> extents{};
  for (std::size_t axis = 0; axis < Rank; ++axis)
    extents[axis] = static_cast<std::size_t>(view.extents[static_cast<int>(axis)]);
  return xt::adapt(view.data, static_cast<std::size_t>(view.size()), xt::no_ownership(), extents);
}

/// A row-major xtensor container as a view of its elements.
template <class T, std::size_t Rank>
[[nodiscard]] array_view<T> as_array_view(xt::xtensor<T, Rank, xt::layout_type::row_major>& array) {
  shape extents;
  for (auto const extent : array.shape()) extents.append(static_cast<index_t>(extent));
  return {array.data(), extents};
}
/// The same, to be read alone.
template <class T, std::size_t Rank>
[[nodiscard]] array_view<T const> as_array_view(
    xt::xtensor<T, Rank, xt::layout_type::row_major> const& array) {
  shape extents;
  for (auto const extent : array.shape()) extents.append(static_cast<index_t>(extent));
  return {array.data(), extents};
}

/// The pixels of an image as [height, width, channels]; the image must not be empty.
template <int Channels, int Height, int Width>
[[nodiscard]] auto as_xtensor(pixels<Channels, Height, Width> const& image) {
  if (image.empty())
    fail({.thing = "as_xtensor", .place = "image", .cause = "it is empty", .remedy = "Give it pixels first"});
  using pixel = std::remove_reference_t<decltype(image.values().front())>;
  return as_xtensor<3>(array_view<pixel>{image.values().data(), {Height, Width, Channels}});
}

/// An image from an xtensor expression of shape [height, width, channels].
template <class Image, class Expression>
[[nodiscard]] typename Image::type to_image(xt::xexpression<Expression> const& expression) {
  using pixel = std::remove_cvref_t<decltype(typename Image::type().values().front())>;
  xt::xarray<pixel, xt::layout_type::row_major> const array = expression.derived_cast();
  std::array<std::size_t, 3> const expected{Image::height, Image::width, Image::channels};
  if (!std::ranges::equal(array.shape(), expected))
    fail({.thing = "to_image",
          .place = fmt::format("array of shape [{}]", fmt::join(array.shape(), ", ")),
          .cause = fmt::format("the image has shape [{}]", fmt::join(expected, ", ")),
          .remedy = "Give height, width and channels, in this order"});
  return typename Image::type(std::vector<pixel>(array.data(), array.data() + array.size()));
}

/// Texts as a batch [texts, longest] of ids of type `Id`, rows filled up with `padding`.
template <std::integral Id = std::int32_t>
[[nodiscard]] xt::xtensor<Id, 2> to_token_batch(std::span<text::type const> texts, Id padding) {
  std::size_t longest = 0;
  for (auto const& ids : texts) longest = std::max(longest, ids.size());
  xt::xtensor<Id, 2> batch(std::array<std::size_t, 2>{texts.size(), longest}, padding);
  for (std::size_t row = 0; row < texts.size(); ++row)
    std::ranges::copy(texts[row], batch.data() + row * longest);
  return batch;
}

/// The texts of a batch [texts, longest]: each row without the `padding` at its end.
template <std::integral Id>
[[nodiscard]] std::vector<text::type> to_texts(xt::xtensor<Id, 2> const& batch,
                                               std::type_identity_t<Id> padding) {
  std::vector<text::type> texts;
  std::size_t const longest = batch.shape(1);
  for (std::size_t row = 0; row < batch.shape(0); ++row) {
    Id const* const begin = batch.data() + row * longest;
    Id const* end = begin + longest;
    while (end != begin && end[-1] == padding) --end;
    texts.emplace_back(begin, end);
  }
  return texts;
}

/// A stored tensor's elements, converted to T as `copy_elements` does.
template <class T>
[[nodiscard]] xt::xarray<T> to_xarray(tensor_view const& tensor) {
  std::vector<std::size_t> extents;
  for (auto const extent : tensor.shape) extents.push_back(static_cast<std::size_t>(extent));
  xt::xarray<T> array = xt::xarray<T>::from_shape(extents);
  copy_elements(tensor, std::span<T>(array.data(), array.size()));
  return array;
}

/// An array as a tensor to write.
template <class T>
[[nodiscard]] tensor_view as_tensor(std::string name, xt::xarray<T> const& array) {
  return view_as_tensor(std::move(name),
                        std::vector<std::int64_t>(array.shape().begin(), array.shape().end()),
                        std::span<T const>(array.data(), array.size()));
}

}  // namespace sysdpo
