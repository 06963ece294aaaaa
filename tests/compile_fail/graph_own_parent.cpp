// expect: error: .*sysdpo graph: cycle
// expect: rule::parent_comes_first<writer, writer>
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

struct writer {
  static constexpr auto name = "writer";
};

using author = stand_in::autoregressive<stand_in::language_model<struct author_weights>>;

using broken = sysdpo::system<sysdpo::node<writer, author, sysdpo::from<writer>>>;
static_assert(broken::node_count == 1);
