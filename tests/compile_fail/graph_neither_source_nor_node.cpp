// expect: error: .*sysdpo graph: a system takes only source<[.]{3}> and node<[.]{3}>
// expect: rule::is_source_or_node<prompt>
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

struct prompt {
  static constexpr auto name = "prompt";
};
struct writer {
  static constexpr auto name = "writer";
};

using author = stand_in::autoregressive<stand_in::language_model<struct author_weights>>;

using broken = sysdpo::system<prompt, sysdpo::node<writer, author, sysdpo::from<prompt>>>;
static_assert(broken::node_count == 1);
