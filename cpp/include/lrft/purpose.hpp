// What a random number is for.  Each purpose is a stream of its own, so that,
// for instance, c does not change when d does.
#pragma once

#include <cstdint>

namespace lrft {

enum class Purpose : std::uint16_t {
  inputs = 0,     // x in the ambient space
  coordinates,    // X_S, Z and T below its diagonal, in the reduced space
  chi,            // the diagonal of T
  noise,          // label noise
  init_rows,      // the student's rows
  init_chi,       // their part outside S, in the reduced space
  init_c,         // the student's own parameters
  shuffle,        // the order of a pass over given samples
  flips,          // which labels of +-1 are turned over
  fresh,          // the samples of which the training loss is recorded
  component,      // of a mixture that an input is from
  features = 16,  // the parts of a sampled task
  features_chi,
  c,
  u,
  lam,
  embedding,
  gradient = 32,  // the samples of a first gradient, from which a student starts
  gradient_chi,   // their part outside S, in the reduced space
  gradient_noise,
};

}  // namespace lrft
