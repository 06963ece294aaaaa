// expect: error: .*sysdpo::error
#include <sysdpo/core/error.hpp>

sysdpo::error nameless;
