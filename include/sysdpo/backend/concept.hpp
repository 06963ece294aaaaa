// What a backend is. Models and ops never name one: a tensor carries its backend as a type, and an op finds
// its code by specialisation, `implement<linear_op, cpu>`. A user adds an op by writing a tag, an `implement`
// of it for each backend in use and a differentiable function over both; no file of the library needs to
// change.
#pragma once

#include <concepts>
#include <cstddef>

#include "sysdpo/backend/memory_pool.hpp"

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

/// The code of operation `Op` on `Backend`: static functions over array_views, `forward` and `backward`.
/// Primary template left undefined: using an op that a backend lacks is a compile error that names both.
template <class Op, class Backend>
struct implement;

/// Conversion between number formats. `forward(array_view<From const>, array_view<To>)`, element by element.
struct cast_op;

}  // namespace sysdpo
