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
  if (student.init_own == InitC::given) return student.own;
  std::vector<double> own(
      static_cast<std::size_t>(student.full ? shape.n : shape.neurons * shape.n));
  fill_normals(seed, replica, Purpose::init_c, 0, own.size(), own.data());
  if (student.init_own == InitC::quantized || student.init_own == InitC::signs)
    for (double& x : own) x = x < 0 ? -1 : 1;
  const bool unit = student.init_own == InitC::quantized || student.init_own == InitC::sphere;
  const double scale = unit ? 1 / norm(own) : student.own_std;
  for (double& x : own) x *= scale;
  return own;
}

void record(const Statistics& statistics, const Shape& shape, const TaskData& task,
            const StudentSpec& student, const TrainingData& plan, const Population& population,
            const std::vector<double>& own, const std::vector<double>& start, Chain& chain) {
  const double loss =
      student.linearized ? linearized_loss(population, shape, task, student, statistics, own, start)
                         : population_loss(population, shape, task, student, statistics, own);
  // The value that was compared with the thresholds, so that the two always agree.
  std::vector<double> u{chain.last_overlap};
  if (!student.spherical) u = overlaps_u(shape, task, student, statistics, own);
  const std::vector<double> c = overlaps_c(shape, task, student, own);
  chain.overlap_u.insert(chain.overlap_u.end(), u.begin(), u.end());
  chain.overlap_c.insert(chain.overlap_c.end(), c.begin(), c.end());
  chain.loss.push_back(loss);
  for (std::size_t i = 0; i < plan.loss_thresholds.size(); ++i)
    if (chain.loss_hits[i] < 0 && loss <= plan.loss_thresholds[i]) chain.loss_hits[i] = chain.step;
}

}  // namespace lrft
