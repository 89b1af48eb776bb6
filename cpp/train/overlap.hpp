// The overlaps of a student with its teacher, as recorded.
#pragma once

#include "population/statistics.hpp"

namespace lrft {

// LoRA: of the rows of A with those of u.  Full network: cosines (n, k) of its neurons
// with the teacher's, or (n, r) with the directions of one that is no perturbed base.
std::vector<double> overlaps_u(const Shape& shape, const TaskData& task, const TaskGram& gram,
                               const StudentSpec& student, const Statistics& statistics,
                               const std::vector<double>& own);
// rank-one: <B, c>; LoRA: of the columns of B with those of c.  Full network: none.
std::vector<double> overlaps_c(const Shape& shape, const TaskData& task, const StudentSpec& student,
                               const std::vector<double>& own);

// Coordinates (n, s) of the rows in S.  Where the space does not know them (R^d), the solution of
// A W^T = P R^T, A u^T = P a^T, and the same of the directions of a law: one factorisation,
// (k + r + q) s^2 multiplications.
std::vector<double> coordinates(const Shape& shape, const TaskData& task,
                                const Statistics& statistics);

}  // namespace lrft
