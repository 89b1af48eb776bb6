// Population quantities of a student from its summary statistics: the same for
// every space, and independent of d.
#pragma once

#include "lrft/population.hpp"
#include "lrft/run.hpp"
#include "space/shape.hpp"

namespace lrft {

// Statistics of reduced rows: P (n, s) then L (n, n).
Statistics reduced_statistics(const Shape& shape, const TaskData& task,
                              const std::vector<double>& rows);

// Covariance (k + m square) of the pre-activations of the teacher's k neurons and
// then the student's m (m = k, or n of a full network), whose rows have these
// statistics and whose own parameters are `own`.
std::vector<double> covariance(const Shape& shape, const TaskData& task, const StudentSpec& student,
                               const Statistics& statistics, const std::vector<double>& own);

// E (f - f*)^2, without label noise.
double population_loss(const Population& population, const Shape& shape, const TaskData& task,
                       const StudentSpec& student, const Statistics& statistics,
                       const std::vector<double>& own);

// The drift h(m) of a rank-one student's overlap (Prop. 4 of the paper, for any
// normalisation): the population gradient on the sphere is -h(m) (u - m u-hat) for u
// orthogonal to W.
double drift(const Population& population, const Shape& shape, const TaskData& task,
             const StudentSpec& student, const Statistics& statistics,
             const std::vector<double>& own);

}  // namespace lrft
