// expect: error: .*sysdpo graph: unknown name
// expect: rule::name_is_declared<editor>
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

using chain =
    sysdpo::system<sysdpo::source<prompt, sysdpo::text>, sysdpo::node<writer, author, sysdpo::from<prompt>>>;
auto const& read(sysdpo::assignment<chain> const& values) { return get<editor>(values); }
