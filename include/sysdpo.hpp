// Everything, from the bottom of the house to its top.
#pragma once

#include <sysdpo/core/array_view.hpp>
#include <sysdpo/core/config.hpp>
#include <sysdpo/core/error.hpp>
#include <sysdpo/core/philox.hpp>
#include <sysdpo/core/scalar.hpp>

#include <sysdpo/graph/checks.hpp>
#include <sysdpo/graph/graphviz.hpp>
#include <sysdpo/graph/node.hpp>
#include <sysdpo/graph/system.hpp>
#include <sysdpo/graph/type_list.hpp>
#include <sysdpo/graph/value.hpp>

#include <sysdpo/backend/concept.hpp>
#include <sysdpo/backend/cpu/backend.hpp>
#include <sysdpo/backend/cpu/elementwise.hpp>
#include <sysdpo/backend/cpu/linear.hpp>
#include <sysdpo/backend/cpu/matrix.hpp>
#include <sysdpo/backend/cpu/parallel.hpp>
#include <sysdpo/backend/memory_pool.hpp>

#include <sysdpo/tensor/packed.hpp>
#include <sysdpo/tensor/parameter.hpp>
#include <sysdpo/tensor/precision.hpp>
#include <sysdpo/tensor/tape.hpp>
#include <sysdpo/tensor/tensor.hpp>

#include <sysdpo/op/add.hpp>
#include <sysdpo/op/linear.hpp>

#include <sysdpo/model/parameters.hpp>
