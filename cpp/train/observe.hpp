// Where a chain starts and what is written down about it.
#pragma once

#include <cmath>

#include "lrft/statistic.hpp"
#include "population/statistics.hpp"
#include "random/fill.hpp"

namespace lrft {

// A student with its teacher, or with its errors on given samples, at one step.
struct Estimate {
  double value = 0, error = 0;  // and its standard error; 0 where it is exact
};
struct Seen {
  const Shape& shape;
  const TaskData& task;
  const TaskGram* gram;  // beside a teacher
  const StudentSpec& student;
  const Population& population;
  const ActivationSpec& link;  // of a teacher that is a network of its own
  Statistics rows{};
  std::vector<double> own{}, start{};  // own parameters now, and at step 0
  double followed = 0;                 // the overlap that is compared with the thresholds
  double train_loss = 0, validation_loss = 0;
  Estimate training_loss{};  // beside a teacher, of a loss that is not the squared one
  // Of the average of the students from a given step on, where there is one.
  Statistics averaged{};
  std::vector<double> averaged_own{};
  double averaged_validation_loss = 0;
};
// Looks at all that is recorded of it; the table is in train/statistic.cpp.
Records observe(const Seen& seen);
// E (s f - f*)^2 of the student with these rows and own parameters; s = 1 is the recorded loss.
double squared_error(const Seen& seen, double s, const Statistics& rows,
                     const std::vector<double>& own);
// What a training lowers, of a student beside its teacher: exact for the correlation loss, else of
// fresh samples, which are the chain's own at its step.
Estimate training_loss(const Seen& seen, const RunSpec& run, const TrainingData& plan,
                       const Chain& chain);

// Those that a run asks for by their place in it.
struct Place {
  enum : std::size_t { overlap_u, overlap_c, loss, train_loss, validation_loss };
};

// Are the loss and the overlaps of own parameters finite?
bool finite(const Records& seen);

// The step of the next record, or the last step.
inline std::int64_t next_record(const TrainingData& plan, const Chain& chain) {
  const auto done = static_cast<std::size_t>(chain.recorded);
  return done < plan.record.size() ? plan.record[done] : plan.steps;
}
// Is the state at this step recorded?
inline bool recorded(const TrainingData& plan, const Chain& chain) {
  const auto done = static_cast<std::size_t>(chain.recorded);
  return done < plan.record.size() && plan.record[done] == chain.step;
}
// Appends one record to the chain, and notes the thresholds that its loss meets.
void record(const Records& seen, const TrainingData& plan, Chain& chain);

// Room for what is recorded of a chain that waits.
void prepare(const RunSpec& run, Chain& chain);

// The student's own parameters at step 0: (k, n), or (n) of a full network.
std::vector<double> initial_own(const Shape& shape, const StudentSpec& student, std::uint64_t seed,
                                std::uint32_t replica);

// Rows and own parameters at step 0; the favourable sign where asked for.  Uses `lane` of the
// space, and no other: replicas may be running there.
template <class S>
void initialise(S& space, int lane, const Shape& shape, const RunSpec& spec,
                const StudentSpec& student, const TaskData& task, const Population& population,
                TaskGrams& grams, Chain& chain) {
  chain.own = initial_own(shape, student, spec.seed, chain.replica);
  chain.rows = student.init_rows == InitRows::given
                   ? space.given_rows(student)
                   : space.draw_rows(task, chain.replica, student.facts().unit_rows);
  if (student.init_rows == InitRows::uniform && !student.facts().unit_rows)
    for (double& x : chain.rows) x *= student.rows_std;
  for (std::size_t j = 0; j < student.biases.size(); ++j)
    chain.rows[space.bias_at(j)] = student.biases[j];
  chain.rows = space.with_memory(chain.rows);
  if (student.init_rows == InitRows::favourable) {
    space.set_rows(lane, chain.rows);
    const Statistics start = space.statistics(lane, task);
    if (!(start.teacher[0] *
              drift(population, shape, task, grams.of(task), student, start, chain.own) >
          0))
      for (double& x : chain.rows) x = -x;
  }
}

}  // namespace lrft
