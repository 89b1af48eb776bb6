// The sizes of a run's description, checked against each other before the core sees them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "spec.hpp"

namespace lrft::bindings {
namespace {

using Size = std::int64_t;

void require(bool holds, const char* what) {
  if (!holds) throw py::value_error(what);
}

template <class T>
void sized(const std::vector<T>& values, Size expected, const char* name) {
  if (static_cast<Size>(values.size()) != expected)
    throw py::value_error(std::string(name) + " must have " + std::to_string(expected) +
                          " entries, got " + std::to_string(values.size()));
}

// The core counts the entries of an array in an int.
void countable(Size a, Size b) {
  if (a * b > std::numeric_limits<int>::max())
    throw py::value_error("sizes: " + std::to_string(a) + " x " + std::to_string(b) +
                          " numbers are more than an array can have, 2^31 - 1");
}

void check_task(const TaskData& t, bool ambient) {
  require(t.k >= 1 && t.s >= 1 && t.rank >= 1, "k, s, rank must be at least 1");
  require(t.neurons >= 1 && t.neurons <= t.k, "neurons must be in [1, k]");
  require(t.features_rank >= 0 && t.features_rank <= std::min(t.k, t.s),
          "features_rank must be in [0, min(k, s)]");
  require(std::isfinite(t.d) && t.d >= 1 && t.d == std::floor(t.d),
          "d must be a whole number, at least 1");
  sized(t.R, Size{t.k} * t.s, "R");
  sized(t.a, Size{t.rank} * t.s, "a");
  sized(t.c, Size{t.k} * t.rank, "c");
  sized(t.lam, t.k, "lam");
  if (ambient) {
    require(t.W != nullptr && t.u != nullptr, "W and u must be given in the ambient space");
    require(t.d < std::numeric_limits<int>::max(), "d must be below 2^31 in the ambient space");
  }
}

void check_student(const StudentSpec& student, const TaskData& t, bool ambient) {
  const Size n = student.rows;
  require(n >= 1, "rows must be at least 1");
  require(!student.spherical() || (n == 1 && t.rank == 1),
          "a student of kind rank_one must have one row, and a teacher of rank 1");
  require(student.init_rows != InitRows::favourable || student.spherical(),
          "init_rows='favourable' is for a student of kind rank_one");
  require(student.start >= 0, "start must not be negative");
  if (student.linearized && !student.spherical())
    require(student.start + n <= t.k, "start: the rows of the start must be features");
  require(student.network() || t.neurons == t.k || student.linearized,
          "neurons must be k but for a linearised student");
  if (student.init_own == InitOwn::given)
    sized(student.own, static_cast<Size>(student.own_size(t.neurons)), "own");
  if (student.init_rows == InitRows::given) {
    if (ambient) {
      require(student.rows_x != nullptr, "rows_x must be given in the ambient space");
    } else {
      sized(student.rows_S, n * t.s, "rows_S");
      sized(student.rows_rest, n * n, "rows_rest");
    }
  }
}

void check_countable(const TaskData& t, const StudentSpec& student, Size batch) {
  const Size k = t.k, s = t.s, rank = t.rank, n = student.rows, neurons = t.neurons;
  countable(k, s);
  countable(k, k);
  countable(2 * n, n);
  countable(2 * k + n, 2 * k + n);  // the covariance of the loss
  if (student.linearized) {
    const Size all = neurons + 2 * (student.network() ? n : neurons);
    countable(all, all);
    countable(all, k + rank + n);
  }
  countable(n, s + n);
  countable(n, 2 * k);
  countable(batch, 8 * (k + s + rank + n + 1));
}

void check_schedule(const Schedule& schedule) {
  require(schedule.kind != Schedule::Kind::array || !schedule.values.empty(),
          "values of a schedule must not be empty");
}

void check_training(const TrainingData& plan) {
  require(plan.steps >= 0 && plan.steps <= Size{1} << 40, "steps must be in [0, 2^40]");
  require(plan.batch >= 1, "batch must be at least 1");
  check_schedule(plan.lr);
  check_schedule(plan.lr_own);
  Size last = -1;
  for (const Size step : plan.record) {
    require(step > last && step <= plan.steps, "record must increase within [0, steps]");
    last = step;
  }
}

void check_chain(const Chain& chain, const RunSpec& spec) {
  const auto inside = [](int i, std::size_t count) {
    return i >= 0 && static_cast<std::size_t>(i) < count;
  };
  require(inside(chain.task, spec.tasks.size()) && inside(chain.training, spec.trainings.size()),
          "chains: task and training must count in tasks and trainings");
  const TaskData& task = spec.tasks[static_cast<std::size_t>(chain.task)];
  const TrainingData& plan = spec.trainings[static_cast<std::size_t>(chain.training)];
  sized(chain.hits, static_cast<Size>(plan.thresholds.size()), "hits");
  sized(chain.loss_hits, static_cast<Size>(plan.loss_thresholds.size()), "loss_hits");
  require(chain.loss.size() <= plan.record.size(), "loss must have at most one entry a record");
  require(chain.step >= 0 && chain.step <= plan.steps, "step must be in [0, steps]");
  require(chain.state_step >= 0 && chain.state_step <= chain.step,
          "state_step must be in [0, step]");
  const Size n = spec.student.rows, pairs = std::min(n, Size{task.rank});
  if (!chain.last.overlap_u.empty())
    sized(chain.last.overlap_u, spec.student.network() ? n * task.neurons : pairs,
          "final_overlap_u");
  if (!chain.last.overlap_c.empty())
    sized(chain.last.overlap_c, spec.student.network() ? 0 : pairs, "final_overlap_c");
  if (chain.status != Status::running) return;
  const auto due = std::upper_bound(plan.record.begin(), plan.record.end(), chain.step);
  sized(chain.loss, due - plan.record.begin(), "loss");
  require(spec.ambient || chain.state_step == chain.step,
          "state_step must be step in the reduced space");
  require(chain.step < plan.steps, "step of a running chain must be below steps");
  sized(chain.rows, spec.ambient ? n * static_cast<Size>(task.d) : n * (task.s + n), "rows");
  sized(chain.own, static_cast<Size>(spec.student.own_size(task.neurons)), "own");
}

}  // namespace

void check_spec(const RunSpec& spec) {
  require(!spec.trainings.empty(), "trainings must not be empty");
  require(spec.threads >= 1, "threads must be at least 1");
  const TaskData& first = spec.tasks.front();
  const auto shape = [&](const TaskData& t) {
    return std::make_tuple(t.k, t.neurons, t.s, t.features_rank, t.rank, spec.ambient ? t.d : 0.0);
  };
  const auto kind = [](const StudentSpec& s) {
    return std::make_tuple(s.kind, s.rows, s.linearized, s.start, s.train_own, s.project);
  };
  for (std::size_t i = 0; i < spec.tasks.size(); ++i) {
    check_task(spec.tasks[i], spec.ambient);
    check_student(spec.students[i], spec.tasks[i], spec.ambient);
    require(shape(spec.tasks[i]) == shape(first), "tasks of a run must be of one shape");
    require(kind(spec.students[i]) == kind(spec.student), "students of a run must be of one kind");
  }
  for (const TrainingData& plan : spec.trainings) {
    check_training(plan);
    require(plan.batch == spec.trainings.front().batch, "trainings of a run must have one batch");
  }
  check_countable(first, spec.student, spec.trainings.front().batch);
  for (const TaskData& task : spec.tasks)
    if (!spec.ambient) {
      const Size n = spec.student.rows, batch = spec.trainings.front().batch;
      require(task.d >= static_cast<double>(task.s + n + std::min(n, batch)),
              "d must be at least s + rows + min(rows, batch) in the reduced space");
    }
  for (const Chain& chain : spec.chains) check_chain(chain, spec);
}

}  // namespace lrft::bindings
