// What a backend is. Models and ops never name one: a tensor carries its backend as a type, and an op finds
// its code by specialisation, `implement<linear_op, cpu>`. A user adds an op by writing a tag, an `implement`
// of it for each backend in use and a differentiable function over both; no file of the library needs to
// change.
#pragma once

#include <concepts>
#include <cstddef>

#include "sysdpo/backend/memory_pool.hpp"
#include "sysdpo/core/array_view.hpp"

namespace sysdpo {

/// A backend names itself, owns a pool of its memory and moves bytes between the host and that memory.
/// `upload` and `download` are ordered with the work issued before them.
template <class Backend>
concept backend = requires(void* to, void const* from, std::size_t bytes) {
  { Backend::name } -> std::convertible_to<char const*>;
  { Backend::memory().take(bytes) } -> std::same_as<memory_block*>;
  Backend::copy(to, from, bytes);
  Backend::upload(to, from, bytes);
  Backend::download(to, from, bytes);
  Backend::zero(to, bytes);
};

/// A backend that runs kernels (kernel/block.hpp): `launch<Kernel>(arguments)` issues all blocks of one, in
/// order with the work issued before; about `wanted_blocks` of them keep it busy. `reports()` lists what
/// kernels find wrong (backend/device/reports.hpp), and `is_synchronous` says whether work is done when a
/// call returns. Its operations are those of backend/device/, written once for all such
/// backends; its own are `product_op`, `conv2d_op` and `sort_ids_op`, for which GPUs have libraries.
template <class Backend>
concept kernel_backend = backend<Backend> && requires {
  requires Backend::runs_kernels;
  { Backend::wanted_blocks } -> std::convertible_to<index_t>;
  { Backend::is_synchronous } -> std::convertible_to<bool>;
  Backend::reports().evaluate();
};

/// Whether tensors of the backend hold elements; false where only their memory is counted
/// (backend/planned.hpp).
template <class Backend>
inline constexpr bool holds_values = [] {
  if constexpr (requires { Backend::holds_values; })
    return static_cast<bool>(Backend::holds_values);
  else
    return true;
}();

/// How many rows the backend works on at the same time; 1 where it does not say.
template <class Backend>
[[nodiscard]] int concurrency() {
  if constexpr (requires { Backend::concurrency(); })
    return Backend::concurrency();
  else
    return 1;
}

/// What the backend's large blocks of memory are multiples of; 1 where it does not say.
template <class Backend>
inline constexpr std::size_t memory_granularity = [] {
  if constexpr (requires { Backend::memory_granularity; })
    return std::size_t{Backend::memory_granularity};
  else
    return std::size_t{1};
}();

/// Bytes of its memory that the backend's libraries keep from their first use on; 0 where it does not say.
template <class Backend>
inline constexpr std::size_t library_bytes = [] {
  if constexpr (requires { Backend::library_bytes; })
    return std::size_t{Backend::library_bytes};
  else
    return std::size_t{0};
}();

/// The code of operation `Op` on `Backend`: static functions over array_views, `forward` and `backward`.
/// Primary template left undefined: using an op that a backend lacks is a compile error that names both.
template <class Op, class Backend>
struct implement;

/// Products of matrices, `matrix_view`s in row-major order: `forward(a, b, c, accumulate)` gives c [M, N] =
/// a·b, or adds it to c; `forward(a, b, bias, c, accumulate)` adds bias [N] of c's type, unless it is null,
/// to each row too. Each of a and b may be read transposed; elements of 16 bits are multiplied exactly and
/// added up in float. c has their type, or float. A library's job on every machine.
struct product_op;

/// Stable sorting of ids: `forward(ids, sorted, order)` with ids, sorted and order [N]: sorted[i] =
/// ids[order[i]], ascending, equal ids in ascending order of their places.
struct sort_ids_op;

/// A matrix as it lies in memory, [rows, columns] in row-major order without gaps, and whether its transpose
/// is meant.
template <class T>
struct matrix_view {
  T* data = nullptr;
  index_t rows = 0;
  index_t columns = 0;
  bool transposed = false;
};

/// Conversion between number formats. `forward(array_view<From const>, array_view<To>)`, element by element.
struct cast_op;

}  // namespace sysdpo
