// expect: error: .*sysdpo graph: no nodes
// expect: rule::has_nodes<sysdpo::system<> ?>
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

static_assert(sysdpo::system<>::source_count == 0);
