// expect: error: .*sysdpo graph: bad name
// expect: rule::name_is_plain<below_zero>
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

struct prompt {
  static constexpr auto name = "prompt";
};

struct below_zero {
  static constexpr auto name = "panel";
  static constexpr int index = -1;
};
using author = stand_in::autoregressive<stand_in::language_model<struct author_weights>>;

using broken = sysdpo::system<sysdpo::source<prompt, sysdpo::text>,
                              sysdpo::node<below_zero, author, sysdpo::from<prompt>>>;
static_assert(broken::node_count == 1);
