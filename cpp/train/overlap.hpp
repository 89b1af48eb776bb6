// The overlaps of a student with its teacher, as recorded.
#pragma once

#include "population/statistics.hpp"

namespace lrft {

// Singular values, from the largest, between spaces spanned by n and r vectors with
// Gram matrices G (n, n) and H (r, r) and inner products M (n, r): cosines of principal
// angles, 0 for directions that are missing.  For n = r = 1 the cosine with its sign.
std::vector<double> subspace_cosines(int n, int r, std::vector<double> G, std::vector<double> H,
                                     std::vector<double> M);

// LoRA: of the rows of A with those of u.  Full network: cosines (n, k) of its neurons
// with the teacher's.
std::vector<double> overlaps_u(const Shape& shape, const TaskData& task, const StudentSpec& student,
                               const Statistics& statistics, const std::vector<double>& own);
// rank-one: <B, c>; LoRA: of the columns of B with those of c.  Full network: none.
std::vector<double> overlaps_c(const Shape& shape, const TaskData& task, const StudentSpec& student,
                               const std::vector<double>& own);

}  // namespace lrft
