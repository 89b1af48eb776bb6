// The exact loss of linearised students: moments of sigma(z) and sigma'(z) y.
//
// For jointly Gaussian z, y write z_i = s_i g_i and y_i = alpha_i g_i + h_i with h_i
// independent of g_i.  With tau(g) = g sigma'(s g), partial integration in the h leaves
//   E sigma(z_a) sigma'(z_i) y_i      = alpha_i E sigma tau + <h_i, z_a> E sigma' sigma'
//   E sigma'(z_i) y_i sigma'(z_j) y_j = alpha_i alpha_j E tau tau + <h_i, h_j> E sigma' sigma'
//       + alpha_i <h_j, g_i> E tau' sigma' + alpha_j <h_i, g_j> E sigma' tau'
//       + <h_i, g_j> <h_j, g_i> E (d/dg sigma'(s_i g)) (d/dg sigma'(s_j g)),
// functions of two neurons each.  E sigma' sigma' is `moments`; the others are closed forms
// for relu and else Mehler's series, whose coefficients all follow from those of sigma:
// finite for polynomials, 2048 terms for the smooth ones, which decay geometrically in the
// root of the order or faster: rounding for neurons of norm up to 3 (tanh) or 5 (the others).
// For u orthogonal to W all alpha vanish.
#pragma once

#include "population/statistics.hpp"

namespace lrft {

// E (sum_a w_a sigma(z_a) + sum_i v_i sigma'(z_at(i)) y_i)^2 for (z, y) ~ N(0, C), z (m), y (t);
// C is (m + t) square.  Throws std::invalid_argument where only values of
// sigma are known.
double expected_square_with_tangents(const Population& population, const std::vector<double>& w,
                                     const std::vector<double>& v, const std::vector<int>& at,
                                     const std::vector<double>& C);

// E (s f - f*)^2 of a linearised student; start: its own parameters at step 0.  Inputs have no
// means (lrft/check.hpp).
double linearized_loss(const Population& population, const Shape& shape, const TaskData& task,
                       const TaskGram& gram, const StudentSpec& student, const Statistics& rows,
                       const std::vector<double>& own, const std::vector<double>& start,
                       double s = 1);

}  // namespace lrft
