#include "train/observe.hpp"

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

std::vector<double> initial_own(const Shape& shape, const StudentSpec& student,
                                std::uint64_t seed, std::uint32_t replica) {
  if (student.init_own == InitC::given) return student.own;
  std::vector<double> own(static_cast<std::size_t>(shape.k * shape.n));
  fill_normals(seed, replica, Purpose::init_c, 0, own.size(), own.data());
  if (student.init_own == InitC::quantized)
    for (double& x : own) x = x < 0 ? -1 : 1;
  const double scale = 1 / norm(own);
  for (double& x : own) x *= scale;
  return own;
}

bool record(const Statistics& statistics, const Shape& shape, const TaskData& task,
            const TrainingData& plan, const Population& population,
            const std::vector<double>& own, Chain& chain) {
  double along = 0;
  for (std::size_t i = 0; i < own.size(); ++i) along += own[i] * task.c[i];
  const double loss = population_loss(population, shape, task, statistics, own);
  // The value that was compared with the thresholds, so that the two always agree.
  chain.overlap_u.push_back(chain.last_overlap);
  chain.overlap_c.push_back(along);
  chain.loss.push_back(loss);
  for (std::size_t i = 0; i < plan.loss_thresholds.size(); ++i)
    if (chain.loss_hits[i] < 0 && loss <= plan.loss_thresholds[i]) chain.loss_hits[i] = chain.step;
  return std::isfinite(loss) && std::isfinite(along);
}

}  // namespace lrft
