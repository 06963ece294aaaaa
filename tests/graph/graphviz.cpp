#include "sysdpo/graph/graphviz.hpp"

#include "stand_ins.hpp"
#include "support/catch.hpp"

namespace {

struct prompt {
  static constexpr auto name = "prompt";
};
struct writer {
  static constexpr auto name = "writer";
};
template <int Index>
struct panel {
  static constexpr auto name = "panel";
  static constexpr int index = Index;
};
struct score {
  static constexpr auto name = "score";
};
struct author_weights {
  static constexpr auto name = "author";
};
struct painter_weights {
  static constexpr auto name = "painter";
};

struct odd_value {
  using type = int;
  static std::string describe() { return "\"odd\" \\ value"; }
};

using sysdpo::from;
using sysdpo::node;
using sysdpo::part;

using author =
    stand_in::autoregressive<stand_in::language_model<author_weights>, sysdpo::list<sysdpo::text, 2>>;
using painter = stand_in::denoising<stand_in::diffusion_model<painter_weights>>;
using storybook = sysdpo::system<sysdpo::source<prompt, sysdpo::text>, node<writer, author, from<prompt>>,
                                 node<panel<0>, painter, from<part<writer, 0>>>,
                                 node<panel<1>, painter, from<part<writer, 1>>>,
                                 node<score, stand_in::tool<odd_value>, from<prompt, panel<0>, panel<1>>>>;

}  // namespace

TEST_CASE("a system's picture shows values, policies, shared models and parts") {
  CHECK(sysdpo::graphviz<storybook>() == R"(digraph system {
  node [fontname="Helvetica"];
  edge [fontname="Helvetica"];
  "prompt" [shape=ellipse, label="prompt\ntext"];
  "writer" [shape=box, style="rounded,filled", fillcolor="#cfe2f3", label="writer\nautoregressive\nlist of 2 x text\nmodel author"];
  "prompt" -> "writer";
  "panel_0" [shape=box, style="rounded,filled", fillcolor="#fce5cd", label="panel_0\ndenoising\nimage 8 x 8 x 3\nmodel painter"];
  "writer" -> "panel_0" [label="0"];
  "panel_1" [shape=box, style="rounded,filled", fillcolor="#fce5cd", label="panel_1\ndenoising\nimage 8 x 8 x 3\nmodel painter"];
  "writer" -> "panel_1" [label="1"];
  "score" [shape=box, style="rounded,filled", fillcolor="white", label="score\n\"odd\" \\ value"];
  "prompt" -> "score";
  "panel_0" -> "score";
  "panel_1" -> "score";
}
)");
}
