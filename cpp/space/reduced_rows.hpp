// Rows of a student in the reduced space, as numbers: how they begin, and their angles with the
// teacher's.
#pragma once

#include <vector>

#include "population/statistics.hpp"
#include "space/shape.hpp"

namespace lrft {

// P (n, s) then L (J, n, n), lower triangular, in d dimensions: rows uniform on the unit sphere of
// the space they may move in (n = 1), or standard normal; drawn from streams of the replica's own,
// with no part along a constant.
std::vector<double> draw_reduced_rows(const Shape& shape, std::uint64_t seed, const TaskData& task,
                                      std::uint32_t replica, bool unit);

std::vector<double> given_reduced_rows(const StudentSpec& student);

// The student's rows (P (n, s), L (J, n, n)) among all N, as an optimiser remembers nothing of them
// yet.
std::vector<double> with_memory(const Shape& shape, const std::vector<double>& rows);
// The way back: a share of the student's rows, the rest of it their averages; L (J, n, n) again
// lower triangular, by reflections.
std::vector<double> without_memory(const Shape& shape, const std::vector<double>& all,
                                   double share);

// Of rows P (n, s), L (J, n, n).
Statistics reduced_view(const Shape& shape, const TaskData& task, const std::vector<double>& rows);

}  // namespace lrft
