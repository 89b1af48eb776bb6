// Runs in the reduced space.
#include "space/reduced_memory.hpp"
#include "student/rank_one.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_reduced(const RunSpec& spec) {
  if (!shape_of(spec).plain) return run_in<ReducedMemory>(spec);
  if (spec.student.kind == StudentKind::rank_one && !spec.student.linearized &&
      spec.trainings.front().batch == 1)
    return run_on<RankOneSpace, RankOne>(spec);
  return run_in<ReducedSpace<>>(spec);
}

}  // namespace lrft
