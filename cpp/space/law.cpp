#include "space/law.hpp"

namespace lrft {

std::vector<double> along_directions(const TaskData& task, const Eigen::Ref<const Matrix>& rows,
                                     const double* V, Index width) {
  std::vector<double> along(static_cast<std::size_t>(rows.rows() * task.directions));
  if (!along.empty())
    Eigen::Map<Matrix>(along.data(), rows.rows(), task.directions).noalias() =
        rows * Eigen::Map<const Matrix>(V, task.directions, width).transpose();
  return along;
}

}  // namespace lrft
