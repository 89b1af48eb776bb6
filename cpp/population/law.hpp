// Population quantities where the inputs have a law of their own within S (TaskData in
// lrft/types.hpp): given the component fields are jointly normal, so that everything follows from
//   covariances  <A, B> + sum_q ((1 + stretch_q)^2 - 1) (A v_q) (B v_q)
//   means        sum_q means_cq (A v_q)
// of rows A and B, and the loss is the mean over components.  Of the student's rows with each
// other, where the covariance has eigenvalue blocks, also sum_j (lambda_j - 1) A_j B_j^T of what is
// outside S.
#pragma once

#include <vector>

#include "lrft/types.hpp"
#include "space/shape.hpp"

namespace lrft {

// The rows (count, s) as inputs see them: stretched along the directions.
std::vector<double> stretched(const TaskData& task, std::vector<double> rows);
// Their products (count, q) with the directions.
std::vector<double> along_law(const TaskData& task, const std::vector<double>& rows);
// What rows have in the mean of every component (m, count), from their products (count, q).
std::vector<double> means_of(const TaskData& task, const std::vector<double>& along);

// Statistics with covariances in place of inner products.  along: products (k + r, q) of the rows
// of W and u with the directions.
Statistics weighed(const Shape& shape, const TaskData& task, const std::vector<double>& along,
                   Statistics statistics);

}  // namespace lrft
