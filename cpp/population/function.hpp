// An activation as a function of one number, for quadrature.
#pragma once

#include "activation/list.hpp"
#include "population/quadrature.hpp"

namespace lrft {

// Eight times the work for an activation of packs; what asks for it is rare.
template <class A>
double value_at(double z) {
  double entry[lanes];
  store(entry, A::at({}, broadcast(z)).value);
  return entry[0];
}
// Null for what is no function of z alone: a Hermite series, which is finite.
inline Function function_of(const ActivationSpec& spec) {
  return with_record(spec.kind, [&](auto record) -> Function {
    using A = decltype(record);
    if constexpr (requires { A::function(spec, false); })
      return A::function(spec, false);
    else if constexpr (requires { A::make(spec); })
      return nullptr;
    else
      return value_at<A>;
  });
}

}  // namespace lrft
