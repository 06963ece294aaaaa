// The second of two translation units that include everything.
#include <sysdpo.hpp>

std::string message_of_the_other() {
  return sysdpo::error({.thing = "consumer", .place = "main", .cause = "to be caught", .remedy = "Carry on"})
      .what();
}
