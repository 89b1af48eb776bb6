#include "train/observe.hpp"

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

bool finite(const Records& seen) {
  double along = 0;
  for (double x : seen[Place::overlap_c]) along += x;
  return std::isfinite(seen[Place::loss].front()) && std::isfinite(along);
}

void record(const Records& seen, const TrainingData& plan, Chain& chain) {
  for (std::size_t i = 0; i < seen.values.size(); ++i)
    chain.records[i].insert(chain.records[i].end(), seen[i].begin(), seen[i].end());
  ++chain.recorded;
  if (seen[Place::loss].empty()) return;
  for (std::size_t i = 0; i < plan.loss_thresholds.size(); ++i)
    if (chain.loss_hits[i] < 0 && seen[Place::loss].front() <= plan.loss_thresholds[i])
      chain.loss_hits[i] = chain.step;
}

void prepare(const RunSpec& run, Chain& chain) {
  if (chain.status != Status::waiting) return;
  const TrainingData& plan = run.trainings[static_cast<std::size_t>(chain.training)];
  chain.records.values.resize(statistic_names().size());
  chain.hits.resize(plan.thresholds.size(), -1);
  chain.loss_hits.resize(plan.loss_thresholds.size(), -1);
}

}  // namespace lrft
