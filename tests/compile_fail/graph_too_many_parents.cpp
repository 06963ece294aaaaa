// expect: error: .*sysdpo graph: value types do not fit
// expect: rule::parent_values_fit<editor, .*, sysdpo::from<sysdpo::text, sysdpo::text> ?>
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
using painter = stand_in::denoising<stand_in::diffusion_model<struct painter_weights>>;

// The painter's `accepts` has one parameter: it cannot be asked about two parents.
using broken =
    sysdpo::system<sysdpo::source<prompt, sysdpo::text>, sysdpo::node<writer, author, sysdpo::from<prompt>>,
                   sysdpo::node<editor, painter, sysdpo::from<prompt, writer>>>;
static_assert(broken::node_count == 2);
