// Plain runs in the reduced space.
#include "space/reduced.hpp"
#include "student/rank_one.hpp"
#include "train/run_on.hpp"

namespace lrft {

Groups groups_reduced(const RunSpec& spec) {
  if (spec.student.kind == StudentKind::rank_one && !spec.student.linearized &&
      spec.trainings.front().batch == 1)
    return plain_groups<RankOneSpace, RankOne>();
  return plain_groups_in<ReducedSpace<>>(spec);
}

}  // namespace lrft
