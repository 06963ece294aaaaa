// Φ(x), the normal distribution function, over arrays on the CPU: in vector registers for floats, by the
// standard library for other numbers. (Eigen has a vectorised erf too, in headers that are slow to compile.)
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <type_traits>

namespace sysdpo::cpu_detail {

/// erf(x) for floats: x·P(x²)/Q(x²) on [−4, 4], beyond which it is ±1 to the last digit. The quotient is
/// right to 3e-8, its evaluation in floats to 4e-7, both relative; the coefficients are a minimax fit.
template <class Packet>
[[nodiscard]] Packet erf_of_floats(Packet x) {
  using namespace Eigen::internal;
  auto const all = [](float value) { return pset1<Packet>(value); };
  x = pmin(pmax(x, all(-4)), all(4));
  auto const square = pmul(x, x);
  auto above = all(1.98677102e-6F);
  for (auto const coefficient : {2.84567233e-4F, 3.88340582e-3F, 5.31019386e-2F, 1.93546515e-1F, 1.12837914F})
    above = pmadd(above, square, all(coefficient));
  auto below = all(3.74201257e-5F);
  for (auto const coefficient : {1.18558597e-3F, 1.52073758e-2F, 1.15350601e-1F, 5.04858688e-1F, 1.0F})
    below = pmadd(below, square, all(coefficient));
  return pdiv(pmul(x, above), below);
}

/// Φ(x), the normal distribution function, for Eigen's unaryExpr.
template <class T>
struct normal_distribution {
  T operator()(T x) const {
    x *= T(0.70710678118654752440);
    if constexpr (std::is_same_v<T, float>)
      return 0.5F + 0.5F * erf_of_floats(x);
    else
      return T(0.5) + T(0.5) * std::erf(x);
  }
  template <class Packet>
  [[nodiscard]] Packet packetOp(Packet const& x) const {
    using namespace Eigen::internal;
    auto const half = pset1<Packet>(0.5F);
    return pmadd(half, erf_of_floats(pmul(x, pset1<Packet>(0.70710678F))), half);
  }
};

}  // namespace sysdpo::cpu_detail

template <class T>
struct Eigen::internal::functor_traits<sysdpo::cpu_detail::normal_distribution<T>> {
  static constexpr int Cost = 30 * NumTraits<T>::MulCost;
  static constexpr bool PacketAccess = std::is_same_v<T, float>;
};
