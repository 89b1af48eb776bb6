// Runs of low-rank students: rank-one and LoRA.
#include "space/ambient.hpp"
#include "space/dataset.hpp"
#include "space/reduced.hpp"
#include "student/low_rank.hpp"
#include "student/rank_one.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_low_rank(const RunSpec& spec) {
  if (spec.data.given()) return run_on<DatasetSpace, LowRank<NeuronLanes>>(spec);
  if (spec.ambient) return run_on<AmbientSpace, LowRank<NeuronLanes>>(spec);
  if (spec.student.kind == StudentKind::rank_one && !spec.student.linearized &&
      spec.trainings.front().batch == 1)
    return run_on<RankOneSpace, RankOne>(spec);
  return run_on<ReducedSpace<>, LowRank<ReplicaLanes>>(spec);
}

}  // namespace lrft
