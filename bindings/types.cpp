// The core's plain types.
#include "fields.hpp"
#include "space/shape.hpp"

namespace lrft::bindings {
namespace {

// X as it lies in memory; y float64.
Samples make_samples(const py::array& X, const Array& y) {
  Samples s;
  s.single = X.dtype().equal(py::dtype::of<float>());
  if (X.ndim() != 2 || y.ndim() != 1 || X.shape(0) != y.shape(0) ||
      !(s.single || X.dtype().equal(py::dtype::of<double>())))
    throw py::value_error("X must be (rows, d) of float64 or float32, and y (rows)");
  s.rows = X.shape(0);
  s.columns = X.shape(1);
  s.X = keep<char>(X);
  s.row_stride = X.strides(0);
  s.column_stride = X.strides(1);
  s.y = keep<double>(y);
  return s;
}

py::dict shapes(const Sizes& sizes) {
  py::dict out;
  for (const auto& [name, shape] : statistics_of(sizes))
    if (shape) out[name] = py::tuple(py::cast(*shape));
  return out;
}

// By kinds of students.
py::dict parameters() {
  py::dict out;
  for (std::size_t i = 0; i < Names<StudentKind>::all.size(); ++i)
    out[Names<StudentKind>::all[i]] =
        py::tuple(py::cast(parameters_of(static_cast<StudentKind>(i))));
  return out;
}

}  // namespace

void bind_types(py::module_& m) {
  bind_given<TaskData>(m, "TaskData", "One teacher and the base network it perturbs.");
  bind_given<StudentSpec>(m, "StudentSpec", "A student and where it starts.");
  bind_given<Schedule>(m, "Schedule", "A learning rate by step.");
  bind_given<LossData>(m, "Loss", "The loss of one sample.");
  bind_given<OptimiserSpec>(m, "Optimiser", "What is done with gradients beside a rate.");
  bind_given<TrainingData>(m, "TrainingData", "Steps, rates, and what is recorded when.");
  bind_fields<Chain>(m, "Chain", "What becomes of one replica, and all it takes to go on.");
  py::class_<Samples>(m, "Samples", py::module_local(), "Given samples.")
      .def(py::init(&make_samples), py::arg("X"), py::arg("y"));
  // These two cannot be pickled: a run holds its user's functions and samples.  Its tasks,
  // students, trainings and chains can, from which it is made again.
  bind_given<DataSet>(m, "DataSet", "What a student is fitted to in place of a teacher.");
  bind_given<RunSpec>(m, "RunSpec", "All that a run is given.");
  bind_fields<Sizes>(m, "Sizes", "The sizes of a run.");
  bind_fields<Footprint>(m, "Footprint", "How large a run is.");
  m.def("footprint", &footprint, py::arg("sizes"), "What a run of these sizes holds and takes.");
  m.def("footprint", [](const RunSpec& run) { return footprint(sizes_of(run)); }, py::arg("run"));
  m.def("statistics", &shapes, py::arg("sizes"),
        "What is recorded in a run of these sizes: the shape of a record by name.");
  m.def("parameters", &parameters,
        "What is recorded only where it is asked for: names by kinds of students.");
  m.attr("fresh_samples") = fresh_samples;
  m.def("block_steps", &block_steps, py::arg("d"), py::arg("batch"),
        "Steps between two states in R^d from which a path can go on.");
}

}  // namespace lrft::bindings
