// tanh and its relatives, whose expectations population/scale_mixture.hpp knows.
#pragma once

namespace lrft {

enum class Member {
  tanh,         // tanh u
  sech2,        // its derivative
  log_cosh,     // log(2 cosh u)
  u_tanh,       // u tanh u
  u_tanh_slope  // (u tanh u)'
};

// sigma(z) = offset + slope u + factor f(u), u = argument z; the three parts are
// orthogonal in pairs or f carries the constant, so that
//   E[sigma sigma] = offset^2 + slope^2 E[u u] + factor^2 E[f f].
struct MixtureForm {
  Member member;
  double argument, offset, slope, factor;
};

}  // namespace lrft
