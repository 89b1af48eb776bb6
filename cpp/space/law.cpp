#include "space/law.hpp"

namespace lrft {

std::vector<double> along_directions(const TaskData& task, const Eigen::Ref<const Matrix>& rows,
                                     const double* V, Index width) {
  std::vector<double> along(static_cast<std::size_t>(rows.rows() * task.directions));
  if (!along.empty())
    add_product_transposed(rows, Eigen::Map<const Matrix>(V, task.directions, width),
                           Eigen::Map<Matrix>(along.data(), rows.rows(), task.directions));
  return along;
}

void look_at_law(const TaskData& task, const Eigen::Ref<const Matrix>& A, Statistics& out) {
  const Index n = A.rows();
  out.along = along_directions(task, A, task.V_x, A.cols());
  if (task.blocks == 0) return;
  const Eigen::Map<const Matrix> along(out.along.data(), n, task.directions);
  Matrix beyond = Matrix::Zero(n, n);
  Index from = 0, first = task.constant ? 1 : 0;
  for (std::size_t c = 0; c < task.block_d.size(); ++c) {
    const auto here = A.middleCols(from, static_cast<Index>(task.block_d[c]));
    const auto inside = along.middleCols(first, task.block_s[c]);
    Matrix whole = Matrix::Zero(n, n);
    add_product_transposed(here, here, whole);
    out.blocks.insert(out.blocks.end(), whole.data(), whole.data() + whole.size());
    beyond += (task.variances[c] - 1) * (whole - inside * inside.transpose());
    from += here.cols();
    first += inside.cols();
  }
  out.beyond.assign(beyond.data(), beyond.data() + beyond.size());
}

}  // namespace lrft
