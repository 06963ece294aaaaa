// With second.cpp: two translation units of one program that both include everything.
#include <sysdpo.hpp>

#include "support/catch.hpp"

std::string message_of_second();

TEST_CASE("two translation units that include everything link", "[umbrella]") {
  REQUIRE(message_of_second() ==
          sysdpo::error({.thing = "a", .place = "b", .cause = "c", .remedy = "d"}).what());
}
