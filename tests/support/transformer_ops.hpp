// The CPU's code for everything that a transformer and its scoring use.
#pragma once

#include "sysdpo/backend/cpu/attention.hpp"
#include "sysdpo/backend/cpu/elementwise.hpp"
#include "sysdpo/backend/cpu/embedding.hpp"
#include "sysdpo/backend/cpu/head_log_prob.hpp"
#include "sysdpo/backend/cpu/linear.hpp"
#include "sysdpo/backend/cpu/log_softmax_gather.hpp"
#include "sysdpo/backend/cpu/positions.hpp"
#include "sysdpo/backend/cpu/rms_norm.hpp"
#include "sysdpo/backend/cpu/rope.hpp"
#include "sysdpo/backend/cpu/scatter_rows.hpp"
#include "sysdpo/backend/cpu/segment_sum.hpp"
#include "sysdpo/backend/cpu/swiglu.hpp"
#include "sysdpo/op/head_log_prob.hpp"
#include "sysdpo/op/log_softmax_gather.hpp"
#include "sysdpo/op/segment_sum.hpp"
