#include <cmath>
#include <stdexcept>
#include <string>

#include "activation/list.hpp"
#include "lrft/population.hpp"
#include "population/routes.hpp"

namespace lrft {

HermiteCoefficients hermite_coefficients(const ActivationSpec& spec, double s, int count) {
  if (count < 0) {
    throw std::invalid_argument("count: must not be negative, got " + std::to_string(count));
  }
  if (!(s >= 0.0) || !std::isfinite(s)) {
    throw std::invalid_argument("scale: must be finite and not negative, got " + std::to_string(s));
  }
  check(spec);
  HermiteCoefficients r;
  r.values.assign(static_cast<std::size_t>(count), 0.0);
  r.bound = with_record(spec.kind, [&](auto record) {
    using Exact = typename decltype(record)::Exact;
    if (Exact::most > 0 && count > Exact::most)
      throw std::invalid_argument("count: at most " + std::to_string(Exact::most) + " for " +
                                  spec.kind + ", got " + std::to_string(count));
    return Exact::coefficients(spec, s, r.values);
  });
  return r;
}

}  // namespace lrft
