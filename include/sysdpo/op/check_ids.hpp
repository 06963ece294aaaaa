// Refuses ids that no table has, before anything is computed with them.
#pragma once

#include "sysdpo/tensor/tensor.hpp"

namespace sysdpo {

struct check_ids_op;

/// Every element of `ids` must lie in [0, bound). `user` names the op and `table` what is indexed, for the
/// message. \throws error with the position and the id of the first that does not.
template <class Backend>
void check_ids(char const* user, char const* table, tensor<Backend, std::int32_t> const& ids, index_t bound) {
  implement<check_ids_op, Backend>::forward(user, table, ids.const_view(), bound);
}

}  // namespace sysdpo
