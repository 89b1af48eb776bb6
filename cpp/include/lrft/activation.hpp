// Which activation a network uses, and what is known of each, in plain types.
#pragma once

#include <limits>
#include <string>
#include <vector>

namespace lrft {

struct ActivationSpec {
  std::string kind = "relu";               // the name of a record
  std::vector<double> coefficients;        // of a Hermite series
  double (*value)(double) = nullptr;       // custom only
  double (*derivative)(double) = nullptr;  // custom only
};

// What an activation's record states, for documentation, exchange, bench and tests.
struct ActivationFacts {
  const char* name = "";
  const char* formula = "";     // as the documentation shows it
  const char* parameters = "";  // what else it needs: "", "coefficients" or "functions"
  // The largest errors found, in units of 2^-52 (cpp/activation/pieces.hpp); NaN if none is stated.
  double value_error = std::numeric_limits<double>::quiet_NaN();
  double slope_error = std::numeric_limits<double>::quiet_NaN();
  const char* law = "";    // what E[sigma(z_i) sigma(z_j)] rests on
  const char* torch = "";  // the class of torch.nn that is this function, if there is one

  // These follow from the route of its exact loss.
  const char* route = "";     // "closed form", "finite series", "scale mixture" or "quadrature"
  int most_coefficients = 0;  // that hermite_coefficients gives; 0: any number
  bool linearized = false;    // whether the exact loss of linearised students is known
};

// Every activation, in the order of cpp/activation/list.hpp.
std::vector<ActivationFacts> activation_facts();

// Throws std::invalid_argument for an unknown kind, for hermite without finite coefficients and for
// custom without both callbacks.
void check(const ActivationSpec& spec);

}  // namespace lrft
