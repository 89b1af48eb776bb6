#include "train/observe.hpp"

#include "population/linearized.hpp"
#include "train/overlap.hpp"

#include <algorithm>
#include <limits>

namespace lrft {
namespace {

double norm(const std::vector<double>& x) {
  double square = 0;
  for (double y : x) square += y * y;
  return std::sqrt(square);
}

}  // namespace

std::vector<double> initial_own(const Shape& shape, const StudentSpec& student, std::uint64_t seed,
                                std::uint32_t replica) {
  if (student.init_own == InitOwn::given) return student.own;
  std::vector<double> own(student.own_size(shape.neurons));
  fill_normals(seed, replica, Purpose::init_c, 0, own.size(), own.data());
  if (student.init_own == InitOwn::quantized || student.init_own == InitOwn::signs)
    for (double& x : own) x = x < 0 ? -1 : 1;
  const bool unit = student.init_own == InitOwn::quantized || student.init_own == InitOwn::sphere;
  const double scale = unit ? 1 / norm(own) : student.own_std;
  for (double& x : own) x *= scale;
  return own;
}

Observation observe(const Statistics& statistics, const Shape& shape, const TaskData& task,
                    const StudentSpec& student, const Population& population,
                    const std::vector<double>& own, const std::vector<double>& start,
                    double followed) {
  Observation seen;
  seen.loss = student.linearized
                  ? linearized_loss(population, shape, task, student, statistics, own, start)
                  : population_loss(population, shape, task, student, statistics, own);
  // NaN means "not reached": what overflows on the way to a number is larger than any.
  if (std::isnan(seen.loss)) seen.loss = std::numeric_limits<double>::infinity();
  // The value that was compared with the thresholds, so that the two always agree.
  seen.overlap_u = {followed};
  if (!student.spherical()) seen.overlap_u = overlaps_u(shape, task, student, statistics, own);
  seen.overlap_c = overlaps_c(shape, task, student, own);
  return seen;
}

bool finite(const Observation& seen) {
  double along = 0;
  for (double x : seen.overlap_c) along += x;
  return std::isfinite(seen.loss) && std::isfinite(along);
}

void record(const Observation& seen, const TrainingData& plan, Chain& chain) {
  chain.overlap_u.insert(chain.overlap_u.end(), seen.overlap_u.begin(), seen.overlap_u.end());
  chain.overlap_c.insert(chain.overlap_c.end(), seen.overlap_c.begin(), seen.overlap_c.end());
  chain.loss.push_back(seen.loss);
  for (std::size_t i = 0; i < plan.loss_thresholds.size(); ++i)
    if (chain.loss_hits[i] < 0 && seen.loss <= plan.loss_thresholds[i])
      chain.loss_hits[i] = chain.step;
}

}  // namespace lrft
