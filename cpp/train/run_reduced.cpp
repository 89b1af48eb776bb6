// Plain runs in the reduced space.
#include "space/reduced.hpp"
#include "student/rank_one.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_reduced(const RunSpec& spec) {
  if (spec.student.kind == StudentKind::rank_one && !spec.student.linearized &&
      spec.trainings.front().batch == 1)
    return run_plain<RankOneSpace, RankOne>(spec);
  return run_plain_in<ReducedSpace<>>(spec);
}

}  // namespace lrft
