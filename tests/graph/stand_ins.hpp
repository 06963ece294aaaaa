// Policies and models that only describe: all that a system's type needs.
#pragma once

#include <concepts>

#include "sysdpo/graph/node.hpp"

namespace stand_in {

template <class Tag>
struct language_model {
  using tag = Tag;
};

template <class Tag>
struct diffusion_model {
  using tag = Tag;
};

/// Writes from any number of texts.
template <class Model, class Value = sysdpo::text>
struct autoregressive {
  using value = Value;
  using model = Model;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;
  static constexpr auto kind = "autoregressive";
  template <class... Parents>
  static constexpr bool accepts = (std::same_as<Parents, sysdpo::text> && ...);
};

/// Draws from one text.
template <class Model, class Value = sysdpo::image<3, 8, 8>>
struct denoising {
  using value = Value;
  using model = Model;
  static constexpr auto loss_is = sysdpo::loss_kind::surrogate;
  static constexpr auto kind = "denoising";
  template <class Caption>
  static constexpr bool accepts = std::same_as<Caption, sysdpo::text>;
};

/// Takes anything.
template <class Value>
struct tool {
  using value = Value;
  using model = sysdpo::no_model;
  static constexpr auto loss_is = sysdpo::loss_kind::exact;
};

}  // namespace stand_in
