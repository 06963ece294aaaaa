// expect: error: .*sysdpo graph: a model's tag needs a name
// expect: model_name<stand_in::language_model<author_weights> ?>
#include <sysdpo/graph/system.hpp>

#include "../graph/stand_ins.hpp"

static_assert(sysdpo::model_name<stand_in::language_model<struct author_weights>>() == "author");
