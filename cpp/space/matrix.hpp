// Eigen as the ambient space uses it: row-major, serial, and with cache sizes
// fixed here rather than found at run time, because the order in which a product
// adds up, and so its bits, depends on them.
#pragma once

#ifndef EIGEN_DONT_PARALLELIZE
#define EIGEN_DONT_PARALLELIZE
#endif
#include <Eigen/Core>

namespace lrft {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Index = Eigen::Index;

// Before any product; once, since runs may begin in several threads at a time.
inline void fix_cache_sizes() {
  static const bool fixed = (Eigen::setCpuCacheSizes(32 << 10, 512 << 10, 4 << 20), true);
  static_cast<void>(fixed);
}

// to += a b, to -= a b, and to += a b^T: Eigen's products, which every file that writes one out
// compiles again, for seconds.
void add_product(const Eigen::Ref<const Matrix>& a, const Eigen::Ref<const Matrix>& b,
                 Eigen::Ref<Matrix> to);
void subtract_product(const Eigen::Ref<const Matrix>& a, const Eigen::Ref<const Matrix>& b,
                      Eigen::Ref<Matrix> to);
void add_product_transposed(const Eigen::Ref<const Matrix>& a, const Eigen::Ref<const Matrix>& b,
                            Eigen::Ref<Matrix> to);

}  // namespace lrft
