// The first of two translation units that include everything: what is not inline meets its double at link
// time.
#include <sysdpo.hpp>

std::string message_of_the_other();

int main() {
  try {
    sysdpo::fail({.thing = "consumer", .place = "main", .cause = "to be caught", .remedy = "Carry on"});
  } catch (sysdpo::error const& error) {
    return message_of_the_other() == error.what() ? 0 : 1;
  }
  return 1;
}
