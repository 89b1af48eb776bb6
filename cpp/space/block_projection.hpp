// Pi in a block of inputs in R^d: moves lose their part inside span(W).
//
// For a block X (d x N), F = pinv (W X) are its coordinates in span(W), so that the parts outside
// have the Gram matrix X^T X - F^T F, and what moves left there is taken back tile by tile.  A
// constant is no part of this: rows that Pi is for have none of it (`Rows`).
//
// Cost of a block: (k + r + N) N rho, and k n d for what is taken back.
#pragma once

#include <algorithm>

#include "space/matrix.hpp"
#include "space/shape.hpp"

namespace lrft {

class BlockProjection {
 public:
  BlockProjection(const Shape& shape, int N)
      : k_(shape.k),
        s_(shape.s),
        first_(shape.constant ? 1 : 0),
        rho_(shape.project ? std::max(shape.features_rank - first_, 0) : 0),
        N_(N),
        F_(rho_, N) {}

  // Is there a span?
  bool there() const { return rho_ > 0; }
  void set_task(const TaskData& task);
  // Rows A (n, d) <- A Pi.
  void project(Matrix& A) const;
  // Of the fields W x (k, N) of a block: what is outside of <u, x> (r, N), and of X^T X if it is
  // asked for.
  void outside(const double* fields, Matrix& teacher, Matrix* gram_matrix);
  // Moves are to be `back` X^T (n, N); then a tile of them is made to lie outside.
  void prepare(const Matrix& back);
  void take_back(Index begin, Index depth, double* rows, Index stride) const;

 private:
  int k_, s_;
  int first_;    // the first coordinate of span(W) in S, and
  int rho_, N_;  // how many these are
  const TaskData* task_ = nullptr;
  Matrix pinv_;    // (rho, k)  coordinates in span(W) are pinv W x
  Matrix F_;       // (rho, N)
  Matrix within_;  // (N, N)  F^T F
  Matrix along_;   // (n, k)  what Pi takes back: -back F^T pinv
};

}  // namespace lrft
