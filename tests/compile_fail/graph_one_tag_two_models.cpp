// expect: error: .*sysdpo graph: one tag, two models
// expect: rule::tag_has_one_model<stand_in::language_model<weights>, stand_in::diffusion
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

using author = stand_in::autoregressive<stand_in::language_model<struct weights>>;
using painter = stand_in::denoising<stand_in::diffusion_model<struct weights>>;

using broken =
    sysdpo::system<sysdpo::source<prompt, sysdpo::text>, sysdpo::node<writer, author, sysdpo::from<prompt>>,
                   sysdpo::node<editor, painter, sysdpo::from<writer>>>;
static_assert(broken::node_count == 2);
