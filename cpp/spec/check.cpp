// Sizes are checked against each other; those of arrays by the lists of fields where they can be.
#include "lrft/check.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>

#include "lrft/statistic.hpp"

namespace lrft {
namespace {

using Size = std::int64_t;

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

void sized(std::size_t size, Size expected, const std::string& name) {
  if (static_cast<Size>(size) != expected)
    throw std::invalid_argument(name + " must have " + std::to_string(expected) + " entries, got " +
                                std::to_string(size));
}

// Arrays whose shapes the list states.  Those that are another's may be missing.
template <class T>
void check_shapes(const T& value) {
  each_field<T>([&](const auto& one) {
    const auto& array = value.*one.at;
    if constexpr (requires { array.size(); }) {
      if (one.shape == nullptr) return;
      if constexpr (requires { array.data.get(); })
        if (array == nullptr) return;
      Size expected = 1;
      for (const Size size : one.shape(value)) expected *= size;
      sized(array.size(), expected, one.name);
    }
  });
}

// A name that nobody knows would be recorded nowhere.
void check_parameters(const std::vector<std::string>& names) {
  const auto& known = statistic_names();
  for (const std::string& name : names)
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw std::invalid_argument("parameters: unknown statistic " + name);
}

void check_student(const StudentSpec& student, const TaskData& t, bool ambient, double own) {
  const Size n = student.rows;
  require(t.link == LinkKind::none ||
              !(student.linearized || student.init_rows == InitRows::favourable),
          "linearized and init_rows='favourable' need a perturbed base as the teacher");
  require(t.directions == 0 || student.init_rows != InitRows::favourable,
          "init_rows='favourable' needs standard normal inputs");
  require(n >= 1, "rows must be at least 1");
  require(!student.facts().single || (n == 1 && t.rank == 1),
          "a student of kind rank_one must have one row, and a teacher of rank 1");
  require(student.init_rows != InitRows::favourable || student.facts().single,
          "init_rows='favourable' is for a student of kind rank_one");
  require(student.start >= 0, "start must not be negative");
  if (student.linearized && !student.facts().single)
    require(student.start + n <= t.k, "start: the rows of the start must be features");
  require(student.facts().network || t.neurons == t.k || student.linearized,
          "neurons must be k but for a linearised student");
  require(t.constant || !(student.train_biases || !student.biases.empty()),
          "train_biases, biases: the task has no constant");
  require(student.facts().network || !(student.train_biases || !student.biases.empty()),
          "train_biases, biases are of a full network");
  require(!(student.project && student.facts().network && t.constant),
          "project must be false of a full network with biases");
  if (!student.biases.empty()) sized(student.biases.size(), n, "biases");
  if (student.init_own == InitOwn::given) sized(student.own.size(), static_cast<Size>(own), "own");
  if (student.init_rows != InitRows::given) return;
  if (ambient) {
    require(student.rows_x != nullptr, "rows_x must be given in the ambient space");
    sized(student.rows_x.size(), n * static_cast<Size>(t.d), "rows_x");
  } else {
    sized(student.rows_S.size(), n * t.s, "rows_S");
    sized(student.rows_rest.size(), std::max(1, t.blocks) * n * n, "rows_rest");
  }
}

// records: how many; a chain that nobody looked at has none.
void check_records(const Records& found, const Sizes& sizes, Size records, const char* where) {
  const auto known = statistics_of(sizes);
  require(found.values.size() <= known.size(), "records: more than there are statistics");
  for (std::size_t i = 0; i < found.values.size(); ++i) {
    Size numbers = known[i].second ? records : 0;
    if (known[i].second)
      for (const Size size : *known[i].second) numbers *= size;
    sized(found[i].size(), numbers, std::string(where) + " of " + known[i].first);
  }
}

void check_chain(const Chain& chain, const RunSpec& run, const Sizes& sizes, double own) {
  const auto inside = [](int i, std::size_t count) {
    return i >= 0 && static_cast<std::size_t>(i) < count;
  };
  require(inside(chain.task, run.tasks.size()) && inside(chain.training, run.trainings.size()),
          "chains: task and training must count in tasks and trainings");
  const TaskData& task = run.tasks[static_cast<std::size_t>(chain.task)];
  const TrainingData& plan = run.trainings[static_cast<std::size_t>(chain.training)];
  require(chain.step >= 0 && chain.step <= plan.steps, "step must be in [0, steps]");
  require(chain.state_step >= 0 && chain.state_step <= chain.step,
          "state_step must be in [0, step]");
  require(chain.recorded >= 0, "recorded must not be negative");
  const auto due = std::upper_bound(plan.record.begin(), plan.record.end(), chain.step);
  require(chain.recorded <= due - plan.record.begin(),
          "recorded must be at most the number of records up to step");
  check_records(chain.records, sizes, chain.recorded, "records");
  const bool seen = std::any_of(chain.last.values.begin(), chain.last.values.end(),
                                [](const auto& values) { return !values.empty(); });
  check_records(chain.last, sizes, seen ? 1 : 0, "last");
  // One that waits has no hits yet.
  if (chain.status == Status::waiting && chain.hits.empty() && chain.loss_hits.empty()) return;
  sized(chain.hits.size(), static_cast<Size>(plan.thresholds.size()), "hits");
  sized(chain.loss_hits.size(), static_cast<Size>(plan.loss_thresholds.size()), "loss_hits");
  if (chain.status != Status::running) return;
  // That of its own step may be still to come: a record may be left.
  const Size reached = due - plan.record.begin();
  require(chain.recorded == reached || (chain.recorded + 1 == reached && *(due - 1) == chain.step),
          "recorded must be the number of records up to step");
  require(chain.records.values.size() == statistic_names().size(),
          "records must have every statistic");
  require(run.ambient || chain.state_step == chain.step,
          "state_step must be step in the reduced space");
  const Size n = sizes.rows * sizes.copies();
  sized(chain.rows.size(),
        run.ambient ? n * static_cast<Size>(task.d) : n * (task.s + sizes.complements() * n),
        "rows");
  sized(chain.own.size(), sizes.copies() * static_cast<Size>(own), "own");
}

void check_data(const DataSet& data, const TaskData& task) {
  const bool inside = data.first >= 0 && data.pass > 0 && data.train.rows > 0;
  require(inside && !(data.shuffle && (data.first > 0 || data.pass > data.train.rows ||
                                       data.pass > Size{0xFFFFFFFF})),
          "data: pass and first do not fit the samples");
  require(task.directions == (task.constant ? 1 : 0), "data: inputs have no law but their own");
  for (const Samples* samples : {&data.train, &data.held_out})
    require(samples->y == nullptr ||
                samples->columns == static_cast<Size>(task.d) - (task.constant ? 1 : 0),
            "data: X must have d columns, the constant apart");
}

// Is there a component with means, or one that changes the labels?
bool has_means(const TaskData& t) {
  const auto nonzero = [](double x) { return x != 0; };
  return std::any_of(t.means.begin(), t.means.end(), nonzero) ||
         std::any_of(t.shifts.begin(), t.shifts.end(), nonzero);
}

// The law of the inputs within S.
void check_law(const TaskData& t) {
  const auto q = static_cast<std::size_t>(t.directions), s = static_cast<std::size_t>(t.s),
             m = static_cast<std::size_t>(t.components);
  double total = 0;
  for (const double p : t.probabilities) {
    require(p >= 0, "probabilities must not be negative");
    total += p;
  }
  require(m == 0 || std::abs(total - 1) <= 1e-9, "probabilities must have the sum 1");
  const auto finite = [](const std::vector<double>& x) {
    return std::all_of(x.begin(), x.end(), [](double number) { return std::isfinite(number); });
  };
  require(finite(t.stretch) && finite(t.means) && finite(t.shifts),
          "stretch, means, shifts must be finite");
  for (std::size_t i = 0; i < q; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double product = i == j ? -1 : 0;
      for (std::size_t l = 0; l < s; ++l) product += t.V[i * s + l] * t.V[j * s + l];
      require(std::abs(product) <= 1e-9, "V must have orthonormal rows");
    }
  if (!t.constant) return;
  require(q >= 1 && t.V[0] == 1 && t.stretch[0] == -1,
          "constant: the first of the directions must be the first coordinate, stretched by -1");
  for (std::size_t c = 0; c < m; ++c)
    require(t.means[c * q] == 1, "constant: all components must have the mean 1 along it");
  for (int i = 0; i < t.rank; ++i)
    require(t.a[static_cast<std::size_t>(i) * s] == 0, "constant: a must have no part along it");
}

// The eigenvalue blocks of their covariance.
void check_blocks(const TaskData& t) {
  if (t.blocks == 0) return;
  const int constant = t.constant ? 1 : 0;
  require(t.directions == t.s, "blocks: directions must be s");
  double d = constant;
  Size s = constant;
  for (std::size_t c = 0; c < t.variances.size(); ++c) {
    require(std::isfinite(t.variances[c]) && t.variances[c] > 0,
            "variances must be positive and finite");
    require(t.block_d[c] >= 1 && t.block_d[c] == std::floor(t.block_d[c]) && t.block_s[c] >= 0 &&
                t.block_s[c] <= t.block_d[c],
            "block_d, block_s must be whole numbers, block_s in [0, block_d]");
    for (int i = 0; i < t.block_s[c]; ++i, ++s)
      require(s < t.directions && std::abs(t.stretch[static_cast<std::size_t>(s)] + 1 -
                                           std::sqrt(t.variances[c])) <= 1e-9,
              "blocks: stretch + 1 must be the root of the block's variance");
    d += t.block_d[c];
  }
  require(d == t.d, "block_d must have the sum d, the constant apart");
  require(s == t.s, "block_s must have the sum s, the constant apart");
}
// Does each have room for the rows and the inputs beside S?
void check_room(const TaskData& t, double beside) {
  for (std::size_t c = 0; c < t.block_d.size(); ++c)
    if (!(t.block_d[c] >= t.block_s[c] + beside))
      throw std::invalid_argument(
          "block " + std::to_string(c) + " of the inputs' covariance has " +
          std::to_string(static_cast<Size>(t.block_d[c])) + " dimensions, and needs " +
          std::to_string(static_cast<Size>(t.block_s[c] + beside)) +
          " in the reduced space: those of S within it (" + std::to_string(t.block_s[c]) +
          "), rows, and min(rows, batch), or batch where one is used more than once");
}

}  // namespace

void check(const TaskData& t) {
  require(t.k >= 1 && t.s >= 1 && t.rank >= 1, "k, s, rank must be at least 1");
  require(t.neurons >= 1 && t.neurons <= t.k, "neurons must be in [1, k]");
  require(t.followed >= 0 && t.followed <= t.rank, "followed must be in [0, rank]");
  require(t.features_rank >= 0 && t.features_rank <= std::min(t.k + (t.constant ? 1 : 0), t.s),
          "features_rank must be in [0, min(k, s)], k counting the constant");
  require(std::isfinite(t.d) && t.d >= 1 && t.d == std::floor(t.d),
          "d must be a whole number, at least 1");
  require(t.directions >= 0 && t.directions <= t.s, "directions must be in [0, s]");
  require(t.directions > 0 ? t.components >= 1 : t.components == 0,
          "components must be at least 1 where there are directions, and else 0");
  require(t.blocks >= 0, "blocks must not be negative");
  check_shapes(t);
  sized(t.R.size(), Size{t.k} * t.s, "R");  // never missing
  check_law(t);
  check_blocks(t);
  const bool polynomial = t.link == LinkKind::multi_index;
  require(polynomial ? t.terms >= 1 : t.terms == 0,
          "terms must be at least 1 of a multi-index link, and 0 of others");
  if (t.link != LinkKind::none) sized(t.weights.size(), polynomial ? t.terms : t.rank, "weights");
  sized(t.powers.size(), polynomial ? Size{t.terms} * t.rank : 0, "powers");
  require(t.biases.empty() || t.link == LinkKind::network, "biases are of a network link");
  if (!t.biases.empty()) sized(t.biases.size(), t.rank, "biases");
  require(std::all_of(t.powers.begin(), t.powers.end(), [](int p) { return p >= 0 && p <= 64; }),
          "powers must be in [0, 64]");
}

void check(const Schedule& schedule) {
  require(schedule.kind != Schedule::Kind::array || !schedule.values.empty(),
          "values of a schedule must not be empty");
  require(schedule.warm_up >= 0, "warm_up of a schedule must not be negative");
}

void check(const LossData& loss) {
  require(loss.delta > 0, "delta of a loss must be positive");
  require(loss.flip >= 0 && loss.flip <= 0.5, "flip of a loss must be in [0, 1/2]");
}

void check(const TrainingData& plan) {
  require(plan.steps >= 0 && plan.steps <= Size{1} << 40, "steps must be in [0, 2^40]");
  require(plan.batch >= 1, "batch must be at least 1");
  check_parameters(plan.parameters);
  require(plan.reuse >= 1, "reuse must be at least 1");
  require(std::isfinite(plan.lookahead), "lookahead must be finite");
  require(plan.lookahead == 0 || plan.reuse == 1, "lookahead must be 0 where reuse is above 1");
  check(plan.lr);
  check(plan.lr_own);
  check(plan.loss);
  const OptimiserSpec& o = plan.optimiser;
  require(o.momentum >= 0 && o.momentum < 1, "momentum must be in [0, 1)");
  require(o.momentum > 0 || o.velocity + o.gradient == 1,
          "velocity and gradient must sum to 1 without momentum");
  require(o.decay >= 0 && o.clip >= 0 && o.average >= -1,
          "decay and clip must not be negative, and average at least -1");
  Size last = -1;
  for (const Size step : plan.record) {
    require(step > last && step <= plan.steps, "record must increase within [0, steps]");
    last = step;
  }
}

void check(const Sizes& sizes) {
  require(sizes.k >= 1 && sizes.neurons >= 1 && sizes.s >= 1 && sizes.rank >= 1 &&
              sizes.rows >= 1 && sizes.batch >= 1,
          "k, neurons, s, rank, rows, batch must be at least 1");
  require(sizes.followed >= 0 && sizes.followed <= sizes.rank, "followed must be in [0, rank]");
  require(std::isfinite(sizes.d) && sizes.d >= 1, "d must be at least 1");
  check_parameters(sizes.parameters);
}

void check(const RunSpec& run) {
  require(!run.tasks.empty() && run.students.size() == run.tasks.size(),
          "tasks, students: one student a task, and at least one task");
  require(!run.trainings.empty(), "trainings must not be empty");
  require(run.threads >= 1, "threads must be at least 1");
  const TaskData& first = run.tasks.front();
  const StudentSpec& student = run.students.front();
  const auto shape = [&](const TaskData& t) {
    return std::make_tuple(t.k, t.neurons, t.s, t.features_rank, t.rank, t.followed, t.directions,
                           t.components, t.constant, t.blocks, run.ambient ? t.d : 0.0);
  };
  const auto kind = [](const StudentSpec& s) {
    return std::make_tuple(s.kind, s.rows, s.linearized, s.start, s.train_own, s.project,
                           s.train_biases);
  };
  const auto remembered = [](const TrainingData& plan) {
    const OptimiserSpec& o = plan.optimiser;
    return std::make_tuple(o.momentum > 0, o.average >= 0, o.plain());
  };
  const Sizes sizes = sizes_of(run);
  const Footprint size = footprint(sizes);
  for (std::size_t i = 0; i < run.tasks.size(); ++i) {
    const TaskData& task = run.tasks[i];
    check(task);
    if (run.ambient) {
      require(task.W != nullptr && task.u != nullptr, "W and u must be given in the ambient space");
      require(task.directions == 0 || task.V_x != nullptr,
              "V_x must be given in the ambient space");
      require(task.d < std::numeric_limits<int>::max(),
              "d must be below 2^31 in the ambient space");
    } else {
      require(task.d >= size.least_d,
              "d must be at least s + rows + min(rows, batch) in the reduced space, or s + rows + "
              "batch where a batch is used more than once");
      check_room(task, size.least_d - task.s);
    }
    check_student(run.students[i], task, run.ambient, size.own);
    require(run.data.given() || !run.students[i].linearized || !has_means(task),
            "linearized needs inputs without means, and so no biases");
    require(shape(task) == shape(first), "tasks of a run must be of one shape");
    require(task.link == first.link && task.powers == first.powers,
            "tasks of a run must have one kind of link");
    require(kind(run.students[i]) == kind(student), "students of a run must be of one kind");
  }
  for (const TrainingData& plan : run.trainings) {
    check(plan);
    require(plan.batch == run.trainings.front().batch, "trainings of a run must have one batch");
    require(plan.parameters == run.trainings.front().parameters,
            "trainings of a run must record the same parameters");
    require(plan.loss.kind == run.trainings.front().loss.kind,
            "trainings of a run must have one kind of loss");
    require(
        remembered(plan) == remembered(run.trainings.front()),
        "trainings of a run must remember the same of their rows, and be plain or not together");
    require(plan.plain() == run.trainings.front().plain(),
            "trainings of a run must all be for the plain step, or none of them");
    require(!run.data.given() || plan.loss.flip == 0, "flip is not for labels that are given");
    require(plan.uses() == run.trainings.front().uses() &&
                (plan.lookahead != 0) == (run.trainings.front().lookahead != 0),
            "trainings of a run must use their batches in one way");
    require(plan.uses() == 1 || plan.optimiser.plain(),
            "a batch is used more than once by descent alone");
    require(plan.optimiser.decay == 0 || !student.facts().unit_rows,
            "decay is not for rows that stay on their spheres");
  }
  // The core counts the entries of an array in an int.
  require(size.longest <= std::numeric_limits<int>::max(),
          "sizes: the longest array would have more numbers than it can, 2^31 - 1");
  if (run.data.given()) check_data(run.data, first);
  for (const Chain& chain : run.chains) check_chain(chain, run, sizes, size.own);
}

}  // namespace lrft
