// With first.cpp: two translation units of one program that both include everything.
#include <sysdpo.hpp>

#include "support/catch.hpp"

std::string message_of_second() {
  return sysdpo::error({.thing = "a", .place = "b", .cause = "c", .remedy = "d"}).what();
}

TEST_CASE("the second translation unit is alive", "[umbrella]") { REQUIRE(!message_of_second().empty()); }
