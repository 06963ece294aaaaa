// expect: error: .*sysdpo graph: part out of range
// expect: rule::part_is_in_range<sysdpo::part<writer, 3>, sysdpo::list<sysdpo::text, 3> ?>
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

struct prompt {
  static constexpr auto name = "prompt";
};
struct writer {
  static constexpr auto name = "writer";
};
struct editor {
  static constexpr auto name = "editor";
};

using author =
    stand_in::autoregressive<stand_in::language_model<struct author_weights>, sysdpo::list<sysdpo::text, 3>>;

using broken =
    sysdpo::system<sysdpo::source<prompt, sysdpo::text>, sysdpo::node<writer, author, sysdpo::from<prompt>>,
                   sysdpo::node<editor, author, sysdpo::from<sysdpo::part<writer, 3>>>>;
static_assert(broken::node_count == 2);
