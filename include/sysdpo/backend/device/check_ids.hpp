// The check of ids by a kernel. Nobody waits for it: an id out of range gives NaN where it is used, and the
// error comes when the host next waits for the device (backend/device/reports.hpp).
#pragma once

#include <string>

#include "sysdpo/backend/device/launch.hpp"
#include "sysdpo/kernel/check_ids.hpp"

namespace sysdpo {

struct check_ids_op;

template <kernel_backend Backend>
struct implement<check_ids_op, Backend> {
  static void forward(char const* user, char const* table, array_view<std::int32_t const> ids,
                      index_t bound) {
    if (ids.size() == 0) return;
    auto* const slot = Backend::reports().take([user = std::string(user), table = std::string(table), bound](
                                                   std::int64_t position, std::int64_t id) {
      fail({user, "position " + std::to_string(position),
            "id " + std::to_string(id) + " lies outside the " + table + " of " + std::to_string(bound),
            "Use ids from 0 to " + std::to_string(bound - 1)});
    });
    Backend::template launch<kernel::check_ids>({.ids = ids.data,
                                                 .size = ids.size(),
                                                 .bound = bound,
                                                 .report = reinterpret_cast<kernel::id_report*>(slot)});
    if constexpr (Backend::is_synchronous) Backend::reports().evaluate();
  }
};

}  // namespace sysdpo
