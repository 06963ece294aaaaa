// expect: error: .*sysdpo graph: part of a non-list
// expect: rule::part_is_of_a_list<sysdpo::part<prompt, 0>, sysdpo::text>
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

struct prompt {
  static constexpr auto name = "prompt";
};
struct writer {
  static constexpr auto name = "writer";
};

using author = stand_in::autoregressive<stand_in::language_model<struct author_weights>>;

using broken = sysdpo::system<sysdpo::source<prompt, sysdpo::text>,
                              sysdpo::node<writer, author, sysdpo::from<sysdpo::part<prompt, 0>>>>;
static_assert(broken::node_count == 1);
