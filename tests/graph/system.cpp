#include "sysdpo/graph/system.hpp"

#include <string>

#include "stand_ins.hpp"
#include "support/catch.hpp"

namespace {

using sysdpo::from;
using sysdpo::image;
using sysdpo::list;
using sysdpo::loss_kind;
using sysdpo::node;
using sysdpo::part;
using sysdpo::source;
using sysdpo::text;
using sysdpo::type_list;

struct prompt {
  static constexpr auto name = "prompt";
};
struct draft {
  static constexpr auto name = "draft";
};
struct answer {
  static constexpr auto name = "answer";
};
struct score {
  static constexpr auto name = "score";
};
template <int Index>
struct panel {
  static constexpr auto name = "panel";
  static constexpr int index = Index;
};
template <int Index>
struct proposal {
  static constexpr auto name = "proposal";
  static constexpr int index = Index;
};

using writing_model = stand_in::language_model<struct author_weights>;
using author = stand_in::autoregressive<writing_model>;
using caption_author = stand_in::autoregressive<writing_model, list<text, 3>>;
using editor = stand_in::autoregressive<stand_in::language_model<struct editor_weights>>;
using drawing_model = stand_in::diffusion_model<struct painter_weights>;
using painter = stand_in::denoising<drawing_model>;
using judge = stand_in::tool<sysdpo::scalar>;

using given = source<prompt, text>;

// x -> y -> z
using chain = sysdpo::system<given, node<draft, author, from<prompt>>, node<answer, editor, from<draft>>>;
static_assert(chain::source_count == 1 && chain::node_count == 2 && chain::model_count == 2);
static_assert(chain::loss_is == loss_kind::exact);
static_assert(chain::index_of<draft> == 0 && chain::index_of<answer> == 1);
static_assert(std::is_same_v<chain::node_at<1>::name, answer> &&
              std::is_same_v<chain::source_at<0>::name, prompt>);
static_assert(chain::group_count == 2);

// x -> y, (x, y) -> z
using skip =
    sysdpo::system<given, node<draft, author, from<prompt>>, node<answer, editor, from<prompt, draft>>>;
static_assert(std::is_same_v<skip::parent_values_of<draft>, type_list<text>>);
static_assert(std::is_same_v<skip::parent_values_of<answer>, type_list<text, text>>);

// A tool and a source declared after a node; no parents; a node without a model is no model.
using tools = sysdpo::system<node<draft, author, from<>>, given, node<score, judge, from<draft, prompt>>>;
static_assert(tools::source_count == 1 && tools::node_count == 2 && tools::model_count == 1);
static_assert(tools::index_of<score> == 1);
static_assert(std::is_same_v<tools::parent_values_of<draft>, type_list<>>);
static_assert(std::is_same_v<tools::value_of<score>, sysdpo::scalar>);

// One writer, three panels by one painter.
template <int Index>
using illustration = node<panel<Index>, painter, from<part<draft, Index>>>;
using storybook = sysdpo::system<given, node<draft, caption_author, from<prompt>>, illustration<0>,
                                 illustration<1>, illustration<2>>;
static_assert(storybook::model_count == 2);
static_assert(std::is_same_v<storybook::models, type_list<writing_model, drawing_model>>);
static_assert(storybook::loss_is == loss_kind::surrogate);
static_assert(std::is_same_v<storybook::value_of<part<draft, 2>>, text>);
static_assert(std::is_same_v<storybook::value_of<draft>, list<text, 3>>);
static_assert(std::is_same_v<storybook::parent_values_of<panel<1>>, type_list<text>>);
static_assert(storybook::group_count == 2);
static_assert(storybook::group_of == std::array<std::size_t, 4>{0, 1, 1, 1});

// The fork whose children differ in their policies: no batch.
using fork = sysdpo::system<given, node<draft, author, from<prompt>>, node<panel<0>, painter, from<draft>>,
                            node<answer, editor, from<draft>>, node<panel<1>, painter, from<draft>>>;
static_assert(fork::group_count == 3);
static_assert(fork::group_of == std::array<std::size_t, 4>{0, 1, 2, 1});
static_assert(fork::node_in_slot == std::array<std::size_t, 4>{0, 1, 3, 2});
static_assert(fork::slot_of == std::array<std::size_t, 4>{0, 1, 3, 2});
static_assert(fork::group_begin == std::array<std::size_t, 4>{0, 1, 3, 4});

// Three proposers, twice, of one model; an aggregator.
template <int Index>
using first_layer = node<proposal<Index>, author, from<prompt>>;
template <int Index>
using second_layer = node<proposal<Index>, author, from<prompt, proposal<0>, proposal<1>, proposal<2>>>;
using mixture = sysdpo::system<given, first_layer<0>, first_layer<1>, first_layer<2>, second_layer<3>,
                               second_layer<4>, second_layer<5>,
                               node<answer, editor, from<prompt, proposal<3>, proposal<4>, proposal<5>>>>;
static_assert(mixture::node_count == 7 && mixture::model_count == 2);
static_assert(mixture::group_of == std::array<std::size_t, 7>{0, 0, 0, 1, 1, 1, 2});

// One agent twice in a row: ancestors batch with their descendants, since scoring is given all values.
using revision = sysdpo::system<given, node<draft, author, from<prompt>>, node<answer, author, from<draft>>>;
static_assert(revision::model_count == 1 && revision::group_count == 1);

// The same policy, other parents: another batch. Parts of parts: lists of lists.
using nested_author = stand_in::autoregressive<writing_model, list<list<text, 2>, 3>>;
using nested =
    sysdpo::system<given, node<draft, nested_author, from<prompt>>, node<score, judge, from<part<draft, 1>>>>;
static_assert(std::is_same_v<nested::parent_values_of<score>, type_list<list<text, 2>>>);

std::vector<std::size_t> members(std::span<std::size_t const> group) { return {group.begin(), group.end()}; }

}  // namespace

TEST_CASE("group members come in topological order") {
  CHECK(members(fork::group_members(0)) == std::vector<std::size_t>{0});
  CHECK(members(fork::group_members(1)) == std::vector<std::size_t>{1, 3});
  CHECK(members(fork::group_members(2)) == std::vector<std::size_t>{2});
  CHECK(members(mixture::group_members(1)) == std::vector<std::size_t>{3, 4, 5});
  for (std::size_t index = 0; index < fork::node_count; ++index) {
    CHECK(fork::node_in_slot[fork::slot_of[index]] == index);
  }
}

TEST_CASE("nodes are visited parents first") {
  std::string visited;
  sysdpo::for_each_node<mixture>([&](auto tag) {
    using visited_node = typename decltype(tag)::node;
    static_assert(mixture::index_of<typename visited_node::name> == tag);
    visited.append(sysdpo::name_of<typename visited_node::name>()) += ' ';
  });
  CHECK(visited == "proposal_0 proposal_1 proposal_2 proposal_3 proposal_4 proposal_5 answer ");
}

TEST_CASE("sources are visited in order") {
  std::string visited;
  sysdpo::for_each_source<tools>([&](auto tag) {
    static_assert(tag == 0);
    visited += sysdpo::name_of<typename decltype(tag)::source::name>();
  });
  CHECK(visited == "prompt");
}

TEST_CASE("a fold goes over the nodes in topological order") {
  auto const step = [](std::string total, auto tag) {
    return "(" + std::move(total) + " " + std::string(sysdpo::name_of<typename decltype(tag)::node::name>()) +
           ")";
  };
  CHECK_THAT(sysdpo::fold_nodes<skip>(std::string("x"), step), Catch::Equals("((x draft) answer)"));
  static_assert(
      sysdpo::fold_nodes<mixture>(std::size_t{0}, [](std::size_t sum, auto tag) { return sum + tag; }) == 21);
}

TEST_CASE("an assignment holds a value for each source and node") {
  sysdpo::assignment<storybook> values;
  CHECK(get<prompt>(values).empty());
  CHECK(get<panel<1>>(values).empty());

  get<prompt>(values) = {1, 2};
  get<draft>(values) = {{{3}, {4, 5}, {6}}};
  get<part<draft, 2>>(values) = {7, 8};
  get<panel<1>>(values) = image<3, 8, 8>::type(std::vector<float>(192, 0.25f));

  auto const& seen = values;
  CHECK(get<prompt>(seen) == std::vector<std::int32_t>{1, 2});
  CHECK(get<part<draft, 1>>(seen) == std::vector<std::int32_t>{4, 5});
  CHECK(get<draft>(seen)[2] == std::vector<std::int32_t>{7, 8});
  CHECK(get<panel<1>>(seen)(7, 7, 2) == 0.25f);
  CHECK(get<panel<0>>(seen).empty());

  auto copy = values;
  CHECK(copy == values);
  get<part<draft, 0>>(copy).push_back(9);
  CHECK(copy != values);
  static_assert(std::is_const_v<std::remove_reference_t<decltype(get<prompt>(seen))>>);
}

TEST_CASE("parents are references in the order of from") {
  sysdpo::assignment<storybook> story;
  get<draft>(story) = {{{3}, {4, 5}, {6}}};
  auto const caption = sysdpo::parents_of<panel<1>>(story);
  static_assert(std::is_same_v<decltype(caption), std::tuple<std::vector<std::int32_t> const&> const>);
  CHECK(&std::get<0>(caption) == &get<part<draft, 1>>(story));

  sysdpo::assignment<skip> values;
  auto const both = sysdpo::parents_of<answer>(values);
  CHECK(&std::get<0>(both) == &get<prompt>(values));
  CHECK(&std::get<1>(both) == &get<draft>(values));
}
