// expect: error: .*sysdpo graph: no nodes
// expect: rule::has_nodes<sysdpo::system<sysdpo::source<prompt, sysdpo::text> ?> ?>
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

struct prompt {
  static constexpr auto name = "prompt";
};

using broken = sysdpo::system<sysdpo::source<prompt, sysdpo::text>>;
static_assert(broken::source_count == 1);
