#include "sysdpo/graph/type_list.hpp"

#include "support/catch.hpp"

namespace {

using list = sysdpo::type_list<int, char, int, long>;
static_assert(list::size == 4);
static_assert(std::is_same_v<list::at<1>, char> && std::is_same_v<list::at<3>, long>);
static_assert(list::contains<long> && !list::contains<float>);
static_assert(list::index_of<int> == 0 && list::index_of<long> == 3 && list::index_of<float> == 4);
static_assert(sysdpo::type_list<>::size == 0 && !sysdpo::type_list<>::contains<int>);

static_assert(std::is_same_v<sysdpo::concatenate<>, sysdpo::type_list<>>);
static_assert(std::is_same_v<sysdpo::concatenate<list>, list>);
static_assert(std::is_same_v<
              sysdpo::concatenate<sysdpo::type_list<int>, sysdpo::type_list<>, sysdpo::type_list<char, long>>,
              sysdpo::type_list<int, char, long>>);

static_assert(std::is_same_v<sysdpo::distinct_types<>, sysdpo::type_list<>>);
static_assert(
    std::is_same_v<sysdpo::distinct_types<int, char, int, long, char>, sysdpo::type_list<int, char, long>>);

}  // namespace

TEST_CASE("type lists are checked while compiling") { SUCCEED(); }
