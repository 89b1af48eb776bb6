#include "space/matrix.hpp"

namespace lrft {

void add_product(const Eigen::Ref<const Matrix>& a, const Eigen::Ref<const Matrix>& b,
                 Eigen::Ref<Matrix> to) {
  to.noalias() += a * b;
}

void subtract_product(const Eigen::Ref<const Matrix>& a, const Eigen::Ref<const Matrix>& b,
                      Eigen::Ref<Matrix> to) {
  to.noalias() -= a * b;
}

void add_product_transposed(const Eigen::Ref<const Matrix>& a, const Eigen::Ref<const Matrix>& b,
                            Eigen::Ref<Matrix> to) {
  to.noalias() += a * b.transpose();
}

}  // namespace lrft
