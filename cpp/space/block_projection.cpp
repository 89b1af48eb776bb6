#include "space/block_projection.hpp"

#include "space/basis.hpp"
#include "space/product.hpp"
#include "space/rows.hpp"

namespace lrft {

void BlockProjection::set_task(const TaskData& task) {
  task_ = &task;
  if (there())
    pinv_ = Eigen::Map<const Matrix>(pseudo_inverse(task.R, k_, s_, first_, first_ + rho_).data(),
                                     rho_, k_);
}

void BlockProjection::project(Matrix& A) const {
  if (there()) project_out(task_->W, pinv_, first_ > 0, A);
}

void BlockProjection::outside(const double* fields, Matrix& teacher, Matrix* gram_matrix) {
  if (!there()) return;
  F_.setZero();
  product({pinv_.data(), k_, 1}, rho_, {fields, N_}, k_, N_, F_.data(), N_);
  const Eigen::Map<const Matrix> a(task_->a.data(), teacher.rows(), s_);
  subtract_product(a.middleCols(first_, rho_), F_, teacher);
  if (gram_matrix == nullptr) return;
  within_.setZero(N_, N_);
  gram({F_.data(), N_}, rho_, N_, within_.data());
  *gram_matrix -= within_;
}

void BlockProjection::prepare(const Matrix& back) {
  if (!there()) return;
  Matrix in_features = Matrix::Zero(back.rows(), rho_);
  add_product_transposed(back, F_, in_features);
  along_.setZero(back.rows(), k_);
  subtract_product(in_features, pinv_, along_);
}

void BlockProjection::take_back(Index begin, Index depth, double* rows, Index stride) const {
  if (!there()) return;
  const auto d = static_cast<Index>(task_->d);
  product({along_.data(), k_, 1}, static_cast<int>(along_.rows()), {task_->W + begin, d}, k_, depth,
          rows, stride);
}

}  // namespace lrft
