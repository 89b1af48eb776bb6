// Runs of low-rank students: rank-one and LoRA.
#include "space/ambient.hpp"
#include "space/dataset.hpp"
#include "space/reduced.hpp"
#include "student/low_rank.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_low_rank(const RunSpec& spec) {
  if (spec.data.given()) return std::make_unique<RunOn<DatasetSpace, LowRank<NeuronLanes>>>(spec);
  if (spec.ambient) return std::make_unique<RunOn<AmbientSpace, LowRank<NeuronLanes>>>(spec);
  const StudentSpec& student = spec.student;
  if (student.spherical() && !student.linearized && student.rows == 1 &&
      spec.trainings.front().batch == 1)
    return std::make_unique<RunOn<ReducedSpace<1, 1>, LowRank<ReplicaLanes, 1, 1>>>(spec);
  return std::make_unique<RunOn<ReducedSpace<>, LowRank<ReplicaLanes>>>(spec);
}

}  // namespace lrft
