// expect: error: .*sysdpo graph: duplicate name
// expect: rule::names_differ<panel<0>, panel_zero>
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

struct prompt {
  static constexpr auto name = "prompt";
};

template <int Index>
struct panel {
  static constexpr auto name = "panel";
  static constexpr int index = Index;
};
struct panel_zero {
  static constexpr auto name = "panel_0";
};
using author = stand_in::autoregressive<stand_in::language_model<struct author_weights>>;

using broken =
    sysdpo::system<sysdpo::source<panel<0>, sysdpo::text>, sysdpo::node<panel_zero, author, sysdpo::from<>>>;
static_assert(broken::node_count == 1);
