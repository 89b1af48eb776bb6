// Spaces under a test's hands: the reduced one, driven by coordinates from outside, must
// reproduce an ambient path; and the products of blocks of inputs.
#pragma once

#include <memory>

#include "lrft/run.hpp"

namespace lrft {

class Drive {
 public:
  virtual ~Drive() = default;
  // One step on X_S (b, s), Z (b, N), T (b, b) and label noise (b), of N rows with what the
  // optimiser remembers of them.
  virtual void step(const double* X_S, const double* Z, const double* T, const double* noise,
                    double lr, double lr_own) = 0;
  // P (N, s) then L (N, N).
  virtual std::vector<double> rows() const = 0;
  virtual std::vector<double> own() const = 0;
};

// The first task, student and training of `spec`, from given rows and own
// parameters, in one of the eight lanes.
std::unique_ptr<Drive> make_drive(const RunSpec& spec, const std::vector<double>& rows,
                                  const std::vector<double>& own, int lane);

// The products of space/product.hpp.
struct Products {
  static std::vector<double> product(const double* a, const double* x, int rows, int depth,
                                     int columns);
  // Columns a multiple of 8; above the diagonal's blocks of 8 x 8 it is zero.
  static std::vector<double> gram(const double* x, int depth, int columns);
  // a x^T, depth and columns multiples of 8.
  static std::vector<double> transposed(const double* a, const double* x, int rows, int depth,
                                        int columns);
};

}  // namespace lrft
