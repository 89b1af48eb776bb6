// What an activation file defines: a record, all that is known of one activation.
//
//   struct Name {
//     static constexpr ActivationFacts facts{...};  // names and errors
//     using Exact = ...;                            // the route of its exact loss
//     static ValueAndSlope at(const ActivationData&, const Pack& z);
//   };
//
// and, where it has parameters,
//     static void check(const ActivationSpec&);  // throws std::invalid_argument
//     static Activation make(const ActivationSpec&);
//
// `Exact` is one of the routes below, which population/routes.hpp defines; each asks for members
// of its own.  A record counts once its type is in activation/list.hpp.
#pragma once

#include "activation/pieces.hpp"
#include "lrft/activation.hpp"

namespace lrft {

// Closed forms, for pairs with variances a, b, covariance c and det = ab - c^2:
//     static Pack moment(a, b, c, det);        // E sigma sigma
//     static Pack slope_moment(a, b, c, det);  // E sigma' sigma'
//     static void coefficients(double s, std::vector<double>& mu);
// the last fills in mu_p(s), p < mu.size(), which start as zeros.  Where mu_p(s) does not decay
// geometrically in the root of p or faster, one of
//     static constexpr int degree;           // of a polynomial
//     static double curvatures(double rho);  // E sigma'' sigma'' of a multiple of max(0, z)
template <class A>
struct ClosedForm;

// A finite Hermite series, whose coefficients are the activation's parameters.
template <class A>
struct FiniteSeries;

// Affine in a member of the tanh family (activation/mixture.hpp):
//     static constexpr MixtureForm mixture, slope_mixture;  // sigma and sigma'
template <class A>
struct ScaleMixture;

// Known by its values only, those of `at` or, if they are the user's, of
//     static double (*function(const ActivationSpec&, bool derivative))(double);
// The bound on the error is an estimate, a kink or step elsewhere than at 0 is not looked for, and
// there are no linearised students.
template <class A>
struct Quadrature;

template <class... A>
struct List {};

}  // namespace lrft
