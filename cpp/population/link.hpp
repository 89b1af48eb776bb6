// The exact loss beside a teacher that is a function of its fields t = u x: a network of its own,
// or a multi-index polynomial.
//
//   E (f - f*)^2 = E f^2 + E f*^2 - 2 E f f*
//
// For a network whose activation is the student's, all neurons are one covariance
// (lrft/population.hpp); for another one E f f* is `cross_moments`.  For orthonormal u_j
//   E[sigma(<w, x>) prod_j he_{p_j}(<u_j, x>)] = mu_P(|w|) sqrt(P! / prod_j p_j!) prod_j m_j^{p_j},
// P = sum_j p_j, m_j = <w, u_j> / |w|: he_P(<w, x> / |w|) is the only part of degree P of the
// neuron, and the multinomial theorem says how much of the product is in it.  And E f*^2 is the sum
// of the squares of the coefficients.
#pragma once

#include <utility>
#include <vector>

#include "lrft/population.hpp"
#include "lrft/types.hpp"

namespace lrft {

struct Link {
  LinkKind kind = LinkKind::network;
  ActivationSpec activation;    // sigma*, of a network
  std::vector<double> weights;  // (r), or (terms)
  std::vector<int> powers;      // (terms, r)
  std::vector<double> biases;   // (r) of a network, or none
};
Link link_of(const TaskData& task, const ActivationSpec& activation);

// E (sum_j w_j sigma(z_j) - f*)^2 and a bound on its error, for z (m) of covariance C (m, m)
// whose covariances with the fields t (r) are T (m, r), and those H (r, r).
Moment link_loss(const Population& population, const Link& link, const std::vector<double>& w,
                 const std::vector<double>& C, const std::vector<double>& T,
                 const std::vector<double>& H);

// The same where fields have means, those of z (m), and the label is f* + shift.  A multi-index
// polynomial is finite algebra (population/multi_index.hpp); a network as above, with means.
struct LinkFields {
  std::vector<double> covariance, means;  // (r, r), (r)
};
// E f* and E f*^2.
using LinkMoments = std::pair<Moment, Moment>;
LinkMoments link_moments(const Link& link, const LinkFields& fields);
Moment link_loss(const Population& population, const Link& link, const std::vector<double>& w,
                 const std::vector<double>& C, const std::vector<double>& means,
                 const std::vector<double>& T, const LinkFields& fields, const LinkMoments& star,
                 double shift);

}  // namespace lrft
