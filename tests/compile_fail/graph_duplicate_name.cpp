// expect: error: .*sysdpo graph: duplicate name
// expect: rule::names_differ<writer, second_writer>
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

struct prompt {
  static constexpr auto name = "prompt";
};
struct writer {
  static constexpr auto name = "writer";
};

struct second_writer {
  static constexpr auto name = "writer";
};
using author = stand_in::autoregressive<stand_in::language_model<struct author_weights>>;

using broken =
    sysdpo::system<sysdpo::source<prompt, sysdpo::text>, sysdpo::node<writer, author, sysdpo::from<prompt>>,
                   sysdpo::node<second_writer, author, sysdpo::from<writer>>>;
static_assert(broken::node_count == 2);
