// The reduced space under a test's hands: driven by coordinates from outside, it must reproduce an
// ambient path.
#pragma once

#include <memory>
#include <vector>

#include "lrft/run.hpp"

namespace lrft {

class Drive {
 public:
  virtual ~Drive() = default;
  // One step on X_S (b, s), Z (b, J N), T (J, b, b) and label noise (b), of N rows with what the
  // optimiser remembers of them and J parts of the complement of S.
  virtual void step(const double* X_S, const double* Z, const double* T, const double* noise,
                    double lr, double lr_own) = 0;
  // P (N, s) then L (J, N, N).
  virtual std::vector<double> rows() const = 0;
  virtual std::vector<double> own() const = 0;
};

// The first task, student and training of `spec`, from given rows and own
// parameters, in one of the eight lanes.
std::unique_ptr<Drive> make_drive(const RunSpec& spec, const std::vector<double>& rows,
                                  const std::vector<double>& own, int lane);

}  // namespace lrft
