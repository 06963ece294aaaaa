// expect: error: .*sysdpo graph: no such node
// expect: rule::name_is_a_node<prompt>
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

struct prompt {
  static constexpr auto name = "prompt";
};
struct writer {
  static constexpr auto name = "writer";
};

using author = stand_in::autoregressive<stand_in::language_model<struct author_weights>>;

using chain =
    sysdpo::system<sysdpo::source<prompt, sysdpo::text>, sysdpo::node<writer, author, sysdpo::from<prompt>>>;
static_assert(chain::index_of<prompt> == 0);
