// expect: error: .*sysdpo graph: cycle
// expect: rule::parent_comes_first<writer, editor>
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

using author = stand_in::autoregressive<stand_in::language_model<struct author_weights>>;

using broken = sysdpo::system<sysdpo::source<prompt, sysdpo::text>,
                              sysdpo::node<writer, author, sysdpo::from<prompt, editor>>,
                              sysdpo::node<editor, author, sysdpo::from<writer>>>;
static_assert(broken::node_count == 2);
