// Where a chain starts and what is written down about it.
#pragma once

#include <cmath>

#include "population/statistics.hpp"
#include "random/fill.hpp"

namespace lrft {

// Looks at a student.  followed: the overlap that is compared with the thresholds, at this step;
// start: own at step 0.
Observation observe(const Statistics& statistics, const Shape& shape, const TaskData& task,
                    const StudentSpec& student, const Population& population,
                    const std::vector<double>& own, const std::vector<double>& start,
                    double followed);
// Are the loss and the overlaps of own parameters finite?
bool finite(const Observation& seen);

// The step of the next record, or the last step.
inline std::int64_t next_record(const TrainingData& plan, const Chain& chain) {
  const std::size_t done = chain.loss.size();
  return done < plan.record.size() ? plan.record[done] : plan.steps;
}
// Is the state at this step recorded?
inline bool recorded(const TrainingData& plan, const Chain& chain) {
  const std::size_t done = chain.loss.size();
  return done < plan.record.size() && plan.record[done] == chain.step;
}
// Appends one record to the chain, and notes the thresholds that its loss meets.
void record(const Observation& seen, const TrainingData& plan, Chain& chain);

// The student's own parameters at step 0: (k, n), or (n) of a full network.
std::vector<double> initial_own(const Shape& shape, const StudentSpec& student, std::uint64_t seed,
                                std::uint32_t replica);

// Rows and own parameters at step 0; the favourable sign where asked for.  Uses `lane` of the
// space, and no other: replicas may be running there.
template <class S>
void initialise(S& space, int lane, const Shape& shape, const RunSpec& spec,
                const StudentSpec& student, const TaskData& task, const Population& population,
                Chain& chain) {
  chain.own = initial_own(shape, student, spec.seed, chain.replica);
  chain.rows = student.init_rows == InitRows::given
                   ? space.given_rows(student)
                   : space.draw_rows(task, chain.replica, student.spherical());
  if (student.init_rows == InitRows::favourable) {
    space.set_rows(lane, chain.rows);
    const Statistics start = space.statistics(lane, task);
    if (!(start.teacher[0] * drift(population, shape, task, student, start, chain.own) > 0))
      for (double& x : chain.rows) x = -x;
  }
  if (student.init_rows == InitRows::uniform && !student.spherical())
    for (double& x : chain.rows) x *= student.rows_std;
}

}  // namespace lrft
