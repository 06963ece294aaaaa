#include "sysdpo/graph/value.hpp"

#include "support/catch.hpp"

namespace {

struct no_type {};

struct own_value {
  using type = double;
};

struct own_list {
  using element = sysdpo::text;
  static constexpr int length = 2;
  using type = std::vector<element::type>;
};

static_assert(sysdpo::value_type<sysdpo::text> && sysdpo::value_type<sysdpo::category<4>> &&
              sysdpo::value_type<sysdpo::scalar> && sysdpo::value_type<sysdpo::real_vector<2>> &&
              sysdpo::value_type<sysdpo::image<1, 2, 3>> && sysdpo::value_type<own_value>);
static_assert(!sysdpo::value_type<no_type> && !sysdpo::value_type<int>);

static_assert(sysdpo::list_value<sysdpo::list<sysdpo::text, 3>> && sysdpo::list_value<own_list>);
static_assert(sysdpo::list_value<sysdpo::list<sysdpo::list<sysdpo::text, 3>, 2>>);
static_assert(!sysdpo::list_value<sysdpo::text> && !sysdpo::list_value<sysdpo::real_vector<2>>);
static_assert(sysdpo::list<sysdpo::text, 3>::length == 3);
static_assert(std::tuple_size_v<sysdpo::list<sysdpo::text, 3>::type> == 3);

static_assert(sysdpo::image<3, 4, 5>::channels == 3 && sysdpo::image<3, 4, 5>::height == 4 &&
              sysdpo::image<3, 4, 5>::width == 5 && sysdpo::image<3, 4, 5>::size == 60);

}  // namespace

TEST_CASE("an image is empty until it is given its numbers") {
  using picture = sysdpo::image<2, 2, 3>::type;
  CHECK(picture{}.empty());
  CHECK(picture{}.values().empty());

  picture const full(std::vector<float>(12, 0.5f));
  CHECK_FALSE(full.empty());
  CHECK(full != picture{});
}

TEST_CASE("an image keeps channels innermost") {
  std::vector<float> numbers(12);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
  sysdpo::image<2, 2, 3>::type picture(numbers);

  CHECK(picture(0, 0, 1) == 1.0f);
  CHECK(picture(0, 1, 0) == 2.0f);
  CHECK(picture(1, 0, 0) == 6.0f);
  CHECK(picture(1, 2, 1) == 11.0f);

  picture(1, 2, 0) = -1.0f;
  CHECK(picture.values()[10] == -1.0f);
}

TEST_CASE("an image refuses another number of numbers") {
  using picture = sysdpo::image<3, 4, 5>::type;
  std::size_t const count = GENERATE(std::size_t{0}, std::size_t{59}, std::size_t{61});
  CHECK_THROWS_WITH(picture(std::vector<float>(count)),
                    Catch::Matchers::ContainsSubstring("4 x 5, 3 channels") &&
                        Catch::Matchers::ContainsSubstring(std::to_string(count) + " numbers instead of 60"));
}

TEST_CASE("values describe themselves") {
  CHECK(sysdpo::describe<sysdpo::text>() == "text");
  CHECK(sysdpo::describe<sysdpo::list<sysdpo::image<3, 4, 5>, 2>>() == "list of 2 x image 4 x 5 x 3");
  CHECK(sysdpo::describe<sysdpo::category<7>>() == "category of 7");
  CHECK(sysdpo::describe<own_value>().empty());
  CHECK(sysdpo::describe<sysdpo::list<own_value, 2>>() == "list of 2");
}
