// Population quantities of a student from its summary statistics: the same for
// every space, and independent of d.
#pragma once

#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "lrft/population.hpp"
#include "lrft/run.hpp"
#include "space/shape.hpp"

namespace lrft {

// Statistics of reduced rows: P (n, s) then L (J, n, n); of the blocks what is outside S, and
// nothing along the directions of a law.
Statistics reduced_statistics(const Shape& shape, const TaskData& task,
                              const std::vector<double>& rows);

// What no training changes, the inner products of a task's features and neurons, without the
// constant: k^2 s multiplications and 2 k^2 numbers, once a task instead of once a record.
struct TaskProducts {
  // basis: rows of W and then of u, (k + r, s).
  TaskProducts(const Shape& shape, const TaskData& task, const std::vector<double>& basis);
  std::vector<double> fixed;    // (k + r square) of the rows of W and u
  std::vector<double> across;   // (k + r, k) of the same with the teacher's neurons
  std::vector<double> sizes;    // (k) squares of the teacher's neurons
  std::vector<double> teacher;  // (k, k)  of the teacher's neurons
};
// The teacher where the inputs have a law of their own (population/law.hpp).
struct TaskLaw {
  TaskLaw(const Population& population, const ActivationSpec& link, const Shape& shape,
          const TaskData& task, const std::vector<double>& basis);
  TaskProducts products;        // covariances in place of inner products
  std::vector<double> along;    // (k + r, q)  of the rows of W and u with the directions
  std::vector<double> neurons;  // (m, k)  means of the teacher's neurons, by component
  std::vector<double> fields;   // (m, r)  of the fields of u
  std::vector<std::pair<Moment, Moment>> star;  // (m)  E f* and E f*^2
};
struct TaskGram : TaskProducts {
  TaskGram(const Population& population, const ActivationSpec& link, const Shape& shape,
           const TaskData& task);
  double second_moment;                // E f*^2 of a perturbed base, without a law
  std::shared_ptr<const TaskLaw> law;  // or null
};

// Those of the tasks that were asked for last, as many as are looked at in turn.
class TaskGrams {
 public:
  TaskGrams(const Population& population, const ActivationSpec& link, const Shape& shape,
            std::size_t most)
      : population_(population), link_(link), shape_(shape), most_(most) {}
  // Valid until the next call.  The task stays where it is.
  const TaskGram& of(const TaskData& task);

 private:
  const Population& population_;
  const ActivationSpec& link_;
  Shape shape_;
  std::size_t most_;
  std::list<std::pair<const TaskData*, TaskGram>> known_;  // the last asked for first
};

// Covariance (k + m square) of the pre-activations of the teacher's k neurons and then the
// student's m (m = k, or n of a full network), whose rows have these statistics and whose own
// parameters are `own`: the rows of the student up to the diagonal, and of the teacher's the
// diagonal alone. 2 k^2 n multiplications.
std::vector<double> covariance(const Shape& shape, const TaskData& task, const TaskProducts& gram,
                               const StudentSpec& student, const Statistics& statistics,
                               const std::vector<double>& own);

// E (s f - f*)^2, without label noise; s = 1 is the loss.  `link`: sigma* of a teacher that is a
// network of its own.  Cost where the inputs have a law: once a component (population/shifted.hpp).
double population_loss(const Population& population, const ActivationSpec& link, const Shape& shape,
                       const TaskData& task, const TaskGram& gram, const StudentSpec& student,
                       const Statistics& statistics, const std::vector<double>& own, double s = 1);

// The inner products (m, r) of the student's neurons with the teacher's directions.
std::vector<double> neurons_with_directions(const Shape& shape, const TaskProducts& gram,
                                            const StudentSpec& student,
                                            const Statistics& statistics,
                                            const std::vector<double>& own);

// The drift h(m) of a rank-one student's overlap (Prop. 4 of the paper, for any
// normalisation): the population gradient on the sphere is -h(m) (u - m u-hat) for u
// orthogonal to W.
double drift(const Population& population, const Shape& shape, const TaskData& task,
             const TaskGram& gram, const StudentSpec& student, const Statistics& statistics,
             const std::vector<double>& own);

}  // namespace lrft
