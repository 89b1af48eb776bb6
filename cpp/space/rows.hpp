// Rows in R^d, a tile of coordinates at a time: the teacher's directions u (r x d) and under
// them the student's A (n x d), in one matrix, so that both meet inputs in one product.
#pragma once

#include <algorithm>
#include <vector>

#include "simd/pack.hpp"
#include "space/matrix.hpp"
#include "space/shape.hpp"

namespace lrft {

// Coordinates of a tile.
inline constexpr Index tile_depth = 128;
inline Index whole_packs(Index depth) { return (depth + lanes - 1) / lanes * lanes; }

// A <- A Pi for W (k, d) with the pseudo-inverse (rho, k), twice for orthogonality to rounding.
// `constant`: the last coordinate, where A is 0 and stays 0.
void project_out(const double* W, const Matrix& pinv, bool constant, Matrix& A);

// `still`: rows do not move along the constant, the last coordinate.  Theirs is kept beside them,
// and they have 0 there, as inputs do.
class Rows {
 public:
  Rows(int rank, int n, bool still) : r_(rank), n_(n), still_(still ? n : 0, 1) {}

  void set_u(const double* u, Index d);
  void set(const std::vector<double>& A);
  // A (n, d).
  std::vector<double> get() const { return get(0, n_); }
  // `count` rows of it from `first` on.
  std::vector<double> get(int first, int count) const;
  // What row j has along the constant, beside what is here.
  double still(int j) const { return still_.size() > 0 ? still_(j, 0) : 0; }
  // What moves of a tile left along the constant.
  void clear_still(Index begin);
  void swap(Rows& other);

  // Row i of u and A together from coordinate `begin` on; rows are `stride` apart, with zeros
  // after coordinate d up to whole packs.
  double* at(int i, Index begin) { return all_.data() + i * stride() + begin; }
  const double* at(int i, Index begin) const { return all_.data() + i * stride() + begin; }
  Index stride() const { return all_.cols(); }

  // Row j of A <- factor times it, in a tile.
  void scale(int j, double factor, Index begin);
  // A tile of the rows <- M of them, which stand in groups of n: M (groups, groups, n).
  void mix(int n, const double* M, Index begin);
  // A tile of [A u^T, A A^T] (n, r + n), of A A^T the diagonal and what else is asked for, is
  // added.
  void add_products(Index begin, const Shape& shape, Matrix& to) const;
  // A W^T (n, k) and A A^T (n, n), without what is kept beside them.
  void look(const double* W, int k, Matrix& features, Matrix& gram) const;

 private:
  Index depth(Index begin) const { return std::min(tile_depth, d_ - begin); }

  int r_, n_;
  Index d_ = 0;
  Matrix all_;    // (r + n, d in packs)
  Matrix still_;  // (n, 1), or nothing
};

}  // namespace lrft
