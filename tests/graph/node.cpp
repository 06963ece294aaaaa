#include "sysdpo/graph/node.hpp"

#include "stand_ins.hpp"
#include "support/catch.hpp"

namespace {

struct writer {
  static constexpr auto name = "writer";
};

struct long_name {
  static constexpr std::string_view name = "editor-in_chief";
};

template <int Index>
struct panel {
  static constexpr auto name = "panel";
  static constexpr int index = Index;
};

struct weights {
  static constexpr auto name = "author";
};

struct nameless {};

static_assert(sysdpo::name_of<writer>() == "writer");
static_assert(sysdpo::name_of<long_name>() == "editor-in_chief");
static_assert(sysdpo::name_of<panel<0>>() == "panel_0");
static_assert(sysdpo::name_of<panel<9>>() == "panel_9");
static_assert(sysdpo::name_of<panel<10>>() == "panel_10");
static_assert(sysdpo::name_of<panel<2147483647>>() == "panel_2147483647");
static_assert(sysdpo::named<writer> && !sysdpo::named<nameless> && !sysdpo::named<struct incomplete>);

static_assert(sysdpo::model_name<stand_in::language_model<weights>>() == "author");
static_assert(sysdpo::model_description<stand_in::language_model<struct incomplete>>);
static_assert(sysdpo::model_description<sysdpo::no_model> && !sysdpo::model_description<nameless>);

struct no_loss_kind {
  using value = sysdpo::text;
  using model = sysdpo::no_model;
};

struct no_value_type : stand_in::tool<sysdpo::text> {
  using value = int;
};

struct last_of_its_kind final : stand_in::tool<sysdpo::text> {};

static_assert(sysdpo::node_policy<stand_in::tool<sysdpo::scalar>>);
static_assert(!sysdpo::node_policy<no_loss_kind> && !sysdpo::node_policy<no_value_type> &&
              !sysdpo::node_policy<last_of_its_kind>);

using author = stand_in::autoregressive<stand_in::language_model<weights>>;
using written = sysdpo::node<writer, author, sysdpo::from<>>;
static_assert(std::is_same_v<written::value, sysdpo::text>);
static_assert(std::is_same_v<written::model, stand_in::language_model<weights>>);
static_assert(written::loss_is == sysdpo::loss_kind::exact);

}  // namespace

TEST_CASE("a name at run time is the name at compile time") {
  CHECK(std::string(sysdpo::name_of<panel<12>>()) == "panel_12");
}
