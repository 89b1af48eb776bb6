// Mehler's series: E[f(s x) f(t y)] = sum_p mu_p(s) mu_p(t) rho^p for unit Gaussians
// x, y of correlation rho, where mu_p(s) = E[f(s x) he_p(x)].
#pragma once

#include <cstddef>
#include <vector>

namespace lrft {

// One column a neuron, columns padded to a multiple of 8; term t is p = first + step t.
struct MehlerTable {
  MehlerTable(std::size_t neurons, std::size_t terms, int first, int step);

  // Fills column i from its coefficients; `second_moment` is E f(s x)^2 and `beyond` bounds
  // what lies past the last term.
  void set(std::size_t i, const double* mu, double second_moment, double beyond);
  void copy(std::size_t from, std::size_t to);

  std::size_t neurons, padded, terms, levels;
  int first, step;
  std::vector<double> coefficient;  // [term][neuron]
  std::vector<double> root_tail;    // [level][neuron]: sqrt of sum_{t >= 8(level+1)} mu^2
  std::vector<double> root_moment;  // [neuron]: sqrt E f^2
};

// Row i: value[j] and a bound on the truncation remainder[j] for j <= i, given rho[j].
// By Cauchy-Schwarz the remainder after t terms is at most
// |rho|^p(t) sqrt(tail_i tail_j); terms are added until that is below
// tolerance * sqrt(E f_i^2 E f_j^2).  Where all terms do not suffice, remainder[j] is left
// above it.  All arrays have room for `padded` entries.
void mehler_row(const MehlerTable& table, std::size_t i, const double* rho, double tolerance,
                double* value, double* remainder);

}  // namespace lrft
