// From Python dictionaries to the core's plain types.
#include "spec.hpp"

#include <algorithm>
#include <iterator>
#include <map>

namespace lrft::bindings {

const char* const status_names[] = {"waiting", "running", "converged", "finished", "diverged"};

namespace {

template <class T>
T get(const py::handle& d, const char* name) {
  return d[name].template cast<T>();
}
std::vector<double> numbers(const py::handle& d, const char* name) {
  return to_vector(get<Array>(d, name));
}
template <class T>
T choose(const py::handle& d, const char* name, const std::map<std::string, T>& values) {
  const auto found = values.find(get<std::string>(d, name));
  if (found == values.end()) throw py::value_error(std::string(name) + ": unknown value");
  return found->second;
}
// Null, or `rows` rows in R^d.
const double* pointer(const py::handle& dict, const char* name, std::vector<py::object>& alive,
                      int rows, double d) {
  const py::object value = dict[name];
  if (value.is_none()) return nullptr;
  const auto array = value.cast<Array>();
  if (rows < 1 || !(d >= 1) || static_cast<double>(array.size()) != rows * d)
    throw py::value_error(std::string(name) + " must have rows in R^d, " + std::to_string(rows) +
                          " of them, got " + std::to_string(array.size()) + " numbers");
  alive.push_back(array);
  return array.data();
}

TaskData read_task(const py::handle& d, std::vector<py::object>& alive) {
  TaskData t;
  t.d = get<double>(d, "d");
  t.k = get<int>(d, "k");
  t.neurons = get<int>(d, "neurons");
  t.s = get<int>(d, "s");
  t.features_rank = get<int>(d, "features_rank");
  t.rank = get<int>(d, "rank");
  t.R = numbers(d, "R");
  t.a = numbers(d, "a");
  t.c = numbers(d, "c");
  t.lam = numbers(d, "lam");
  t.xi = get<double>(d, "xi");
  t.neuron_scale = get<double>(d, "neuron_scale");
  t.output_scale = get<double>(d, "output_scale");
  t.noise = get<double>(d, "noise");
  t.W = pointer(d, "W", alive, t.k, t.d);
  t.u = pointer(d, "u", alive, t.rank, t.d);
  return t;
}

StudentSpec read_student(const py::handle& d, const TaskData& task,
                         std::vector<py::object>& alive) {
  StudentSpec s;
  s.rows = get<int>(d, "rows");
  s.kind = choose<StudentKind>(d, "kind",
                               {{"rank_one", StudentKind::rank_one},
                                {"lora", StudentKind::lora},
                                {"full", StudentKind::full}});
  s.linearized = get<bool>(d, "linearized");
  s.start = get<int>(d, "start");
  s.train_own = get<bool>(d, "train_own");
  s.project = get<bool>(d, "project");
  s.init_own = choose<InitOwn>(d, "init_own",
                               {{"quantized", InitOwn::quantized},
                                {"sphere", InitOwn::sphere},
                                {"given", InitOwn::given},
                                {"signs", InitOwn::signs},
                                {"gaussian", InitOwn::gaussian}});
  s.init_rows = choose<InitRows>(d, "init_rows",
                                 {{"uniform", InitRows::uniform},
                                  {"favourable", InitRows::favourable},
                                  {"given", InitRows::given}});
  s.scale = get<double>(d, "scale");
  s.rows_std = get<double>(d, "rows_std");
  s.own_std = get<double>(d, "own_std");
  s.own = numbers(d, "own");
  s.rows_S = numbers(d, "rows_S");
  s.rows_rest = numbers(d, "rows_rest");
  s.rows_x = pointer(d, "rows_x", alive, s.rows, task.d);
  return s;
}

Schedule read_schedule(const py::handle& d) {
  Schedule s;
  s.kind = choose<Schedule::Kind>(d, "kind",
                                  {{"constant", Schedule::Kind::constant},
                                   {"inverse_time", Schedule::Kind::inverse_time},
                                   {"step", Schedule::Kind::step},
                                   {"array", Schedule::Kind::array}});
  s.rate = get<double>(d, "rate");
  s.scale = get<double>(d, "scale");
  s.factor = get<double>(d, "factor");
  s.every = get<double>(d, "every");
  s.values = numbers(d, "values");
  return s;
}

TrainingData read_training(const py::handle& d) {
  TrainingData t;
  t.steps = get<std::int64_t>(d, "steps");
  t.batch = get<int>(d, "batch");
  t.lr = read_schedule(d["lr"]);
  t.lr_own = read_schedule(d["lr_own"]);
  t.stop_at = get<double>(d, "stop_at");
  t.stop_loss = get<double>(d, "stop_loss");
  if (d.contains("patience")) t.patience = get<int>(d, "patience");
  t.record = get<std::vector<std::int64_t>>(d, "record");
  t.thresholds = numbers(d, "thresholds");
  t.loss_thresholds = numbers(d, "loss_thresholds");
  return t;
}

Chain read_chain(const py::handle& d) {
  Chain c;
  c.task = get<int>(d, "task");
  c.training = get<int>(d, "training");
  c.replica = get<std::uint32_t>(d, "replica");
  const auto status = get<std::string>(d, "status");
  const auto* const known = std::find(std::begin(status_names), std::end(status_names), status);
  if (known == std::end(status_names)) throw py::value_error("status: unknown value");
  c.status = static_cast<Status>(known - status_names);
  c.step = get<std::int64_t>(d, "step");
  c.overlap_u = numbers(d, "overlap_u");
  c.overlap_c = numbers(d, "overlap_c");
  c.loss = numbers(d, "loss");
  c.hits = get<std::vector<std::int64_t>>(d, "hits");
  c.loss_hits = get<std::vector<std::int64_t>>(d, "loss_hits");
  c.last_overlap = get<double>(d, "last_overlap");
  c.last.overlap_u = numbers(d, "final_overlap_u");
  c.last.overlap_c = numbers(d, "final_overlap_c");
  c.last.loss = get<double>(d, "final_loss");
  c.state_step = get<std::int64_t>(d, "state_step");
  c.rows = numbers(d, "rows");
  c.own = numbers(d, "own");
  if (d.contains("held_out")) {
    c.squared = get<double>(d, "squared");
    c.seen = get<std::int64_t>(d, "seen");
    c.held_out = numbers(d, "held_out");
    c.kept_step = get<std::int64_t>(d, "kept_step");
    c.kept_rows = numbers(d, "kept_rows");
    c.kept_own = numbers(d, "kept_own");
  }
  return c;
}

// X as it lies in memory; y float64.
Samples read_samples(const py::handle& d, std::vector<py::object>& alive) {
  Samples s;
  const auto X = get<py::array>(d, "X");
  const auto y = get<Array>(d, "y");
  const bool single = X.dtype().equal(py::dtype::of<float>());
  if (X.ndim() != 2 || y.ndim() != 1 || X.shape(0) != y.shape(0) ||
      !(single || X.dtype().equal(py::dtype::of<double>())))
    throw py::value_error("X must be (rows, d) of float64 or float32, and y (rows)");
  alive.push_back(X);
  alive.push_back(y);
  s.rows = X.shape(0);
  s.columns = X.shape(1);
  s.X = static_cast<const char*>(X.data());
  s.single = single;
  s.row_stride = X.strides(0);
  s.column_stride = X.strides(1);
  s.y = y.data();
  return s;
}

DataSet read_data(const py::handle& d, std::vector<py::object>& alive) {
  DataSet data;
  data.train = read_samples(d["train"], alive);
  if (!d["held_out"].is_none()) data.held_out = read_samples(d["held_out"], alive);
  data.pass = get<std::int64_t>(d, "pass");
  data.first = get<std::int64_t>(d, "first");
  data.shuffle = get<bool>(d, "shuffle");
  const bool inside = data.first >= 0 && data.pass > 0 && data.train.rows > 0;
  if (!inside || (data.shuffle && (data.first > 0 || data.pass > data.train.rows ||
                                   data.pass > std::int64_t{0xFFFFFFFF})))
    throw py::value_error("data: pass and first do not fit the samples");
  return data;
}

}  // namespace

RunSpec read_spec(const py::dict& d, std::vector<py::object>& alive) {
  RunSpec spec;
  spec.ambient = get<bool>(d, "ambient");
  spec.activation = get<ActivationSpec>(d, "activation");
  for (const auto& task : get<py::list>(d, "tasks")) spec.tasks.push_back(read_task(task, alive));
  const auto students = get<py::list>(d, "students");
  if (spec.tasks.empty() || students.size() != spec.tasks.size())
    throw py::value_error("tasks, students: one student a task, and at least one task");
  for (std::size_t i = 0; i < spec.tasks.size(); ++i)
    spec.students.push_back(read_student(students[i], spec.tasks[i], alive));
  spec.student = spec.students.front();
  for (const auto& training : get<py::list>(d, "trainings"))
    spec.trainings.push_back(read_training(training));
  for (const auto& chain : get<py::list>(d, "chains")) spec.chains.push_back(read_chain(chain));
  spec.seed = get<std::uint64_t>(d, "seed");
  spec.threads = get<int>(d, "threads");
  spec.keep_state = get<bool>(d, "keep_state");
  check_spec(spec);
  if (d.contains("data")) {
    spec.data = read_data(d["data"], alive);
    spec.keep_best = get<bool>(d["data"], "keep_best");
    for (const Samples& samples : {spec.data.train, spec.data.held_out})
      for (const TaskData& task : spec.tasks)
        if (samples.y != nullptr && samples.columns != static_cast<std::int64_t>(task.d))
          throw py::value_error("data: X must have d columns");
  }
  return spec;
}

}  // namespace lrft::bindings
