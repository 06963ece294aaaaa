#include <sysdpo/core/error.hpp>

#include "support/catch.hpp"

TEST_CASE("an error's text names the thing, the place, the cause and the remedy", "[core]") {
  sysdpo::error const error({.thing = "safetensors file",
                             .place = "author.safetensors",
                             .cause = "the header is cut short",
                             .remedy = "Copy the file again"});
  REQUIRE(std::string(error.what()) ==
          "safetensors file (author.safetensors): the header is cut short. Copy the file again.");
}

TEST_CASE("an error's text leaves out an empty place and an empty remedy", "[core]") {
  REQUIRE(
      std::string(sysdpo::error({.thing = "beta", .place = "", .cause = "it is 0", .remedy = ""}).what()) ==
      "beta: it is 0.");
}

TEST_CASE("a check of settings names the setting and its value", "[core]") {
  sysdpo::setting_check const require{.thing = "model", .remedy = "Correct it"};
  REQUIRE_NOTHROW(require(true, "heads", 0, "it must be positive"));
  REQUIRE_THROWS_WITH(require(false, "heads", 0, "it must be positive"),
                      "model (heads = 0): it must be positive. Correct it.");
}

TEST_CASE("fail throws an error that keeps its parts", "[core]") {
  try {
    sysdpo::fail({.thing = "a", .place = "b", .cause = "c", .remedy = "d"});
    FAIL("fail returned");
  } catch (sysdpo::error const& error) {
    REQUIRE(error.parts().thing == "a");
    REQUIRE(error.parts().place == "b");
    REQUIRE(error.parts().cause == "c");
    REQUIRE(error.parts().remedy == "d");
  }
}
