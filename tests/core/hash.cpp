#include "sysdpo/core/hash.hpp"

#include <vector>

#include "support/catch.hpp"

using sysdpo::fnv1a;

TEST_CASE("the hash has FNV-1a's published values", "[hash]") {
  STATIC_REQUIRE(fnv1a().value() == 0xcbf29ce484222325U);
  STATIC_REQUIRE(fnv1a().add("a").value() == 0xaf63dc4c8601ec8cU);
  STATIC_REQUIRE(fnv1a().add("foobar").value() == 0x85944171f73967e8U);
}

TEST_CASE("bytes hash as the text that they spell, in pieces or at once", "[hash]") {
  std::vector const bytes{std::byte{'b'}, std::byte{'a'}, std::byte{'r'}};
  CHECK(fnv1a().add("foo").add(std::span(bytes)).value() == fnv1a().add("foobar").value());
  CHECK(fnv1a().add("oof").add("bar").value() != fnv1a().add("foobar").value());
}

TEST_CASE("a hash is written with 16 hexadecimal digits", "[hash]") {
  CHECK(fnv1a().add("foobar").text() == "85944171f73967e8");
}
