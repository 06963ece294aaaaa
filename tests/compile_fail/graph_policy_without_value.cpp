// expect: error: .*constraint
// expect: node_policy
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

struct prompt {
  static constexpr auto name = "prompt";
};
struct writer {
  static constexpr auto name = "writer";
};

struct author {
  using model = sysdpo::no_model;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;
};

using broken =
    sysdpo::system<sysdpo::source<prompt, sysdpo::text>, sysdpo::node<writer, author, sysdpo::from<prompt>>>;
static_assert(broken::node_count == 1);
