// Population quantities of a low-rank student from its summary statistics: the
// same for every space, and independent of d.
#pragma once

#include "lrft/population.hpp"
#include "lrft/run.hpp"
#include "space/shape.hpp"

namespace lrft {

// Statistics of reduced rows: P (n, s) then L (n, n).
Statistics reduced_statistics(const Shape& shape, const TaskData& task,
                              const std::vector<double>& rows);

// Covariance (2k x 2k) of the pre-activations of the teacher's k neurons and
// then the student's, whose rows have these statistics and whose B is own (k, n).
std::vector<double> covariance(const Shape& shape, const TaskData& task,
                               const Statistics& statistics, const std::vector<double>& own);

// E (f - f*)^2, without label noise.
double population_loss(const Population& population, const Shape& shape, const TaskData& task,
                       const Statistics& statistics, const std::vector<double>& own);

// The drift h(m) of the overlap (Prop. 4 of the paper, for any normalisation): the
// population gradient on the sphere is -h(m) (u - m u-hat) for u orthogonal to W.
double drift(const Population& population, const Shape& shape, const TaskData& task,
             const Statistics& statistics, const std::vector<double>& own);

}  // namespace lrft
