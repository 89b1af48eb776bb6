// Every activation there is.
//
// To add one: a file beside this one with its record (activation/record.hpp), and its type here.
#pragma once

#include <stdexcept>
#include <string>

#include "activation/custom.hpp"
#include "activation/erf.hpp"
#include "activation/gelu.hpp"
#include "activation/hermite.hpp"
#include "activation/quadratic.hpp"
#include "activation/record.hpp"
#include "activation/relu.hpp"
#include "activation/sigmoid.hpp"
#include "activation/silu.hpp"
#include "activation/softplus.hpp"
#include "activation/tanh.hpp"

namespace lrft {

// In the order in which they are shown.
using Activations =
    List<Relu, Erf, Tanh, Sigmoid, Gelu, Silu, Softplus, Quadratic, Hermite, Custom>;

// f(Record{}) for the record of this name.
template <class F, class First, class... Rest>
auto with_record(const std::string& kind, const F& f, List<First, Rest...>) {
  if (kind == First::facts.name) return f(First{});
  if constexpr (sizeof...(Rest) > 0) return with_record(kind, f, List<Rest...>{});
  throw std::invalid_argument("kind: unknown activation '" + kind + "'");
}
template <class F>
auto with_record(const std::string& kind, const F& f) {
  return with_record(kind, f, Activations{});
}

}  // namespace lrft
