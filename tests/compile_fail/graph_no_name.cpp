// expect: error: .*sysdpo graph: bad name
// expect: rule::name_is_plain<nameless>
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

struct prompt {
  static constexpr auto name = "prompt";
};

struct nameless {};
using author = stand_in::autoregressive<stand_in::language_model<struct author_weights>>;

using broken = sysdpo::system<sysdpo::source<prompt, sysdpo::text>,
                              sysdpo::node<nameless, author, sysdpo::from<prompt>>>;
static_assert(broken::node_count == 1);
