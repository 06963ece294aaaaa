// expect: error: .*sysdpo graph: unknown parent
// expect: rule::parent_is_declared<writer, sysdpo::part<prompt, 1> ?>
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

struct prompt {
  static constexpr auto name = "prompt";
};
struct writer {
  static constexpr auto name = "writer";
};

using author = stand_in::autoregressive<stand_in::language_model<struct author_weights>>;

using broken = sysdpo::system<sysdpo::node<writer, author, sysdpo::from<sysdpo::part<prompt, 1>>>>;
static_assert(broken::node_count == 1);
