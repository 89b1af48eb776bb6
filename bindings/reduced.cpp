// The reduced space driven from outside, for the tests of its exactness.
#include "space/drive.hpp"
#include "spec.hpp"

namespace lrft::bindings {
namespace {

const double* sized(const Array& a, int size, const char* name) {
  if (a.size() != size)
    throw py::value_error(std::string(name) + " must have " + std::to_string(size) +
                          " entries, got " + std::to_string(a.size()));
  return a.data();
}

class BoundDrive {
 public:
  BoundDrive(const py::dict& spec, const Array& rows, const Array& own, int lane) {
    const RunSpec run = read_spec(spec, alive_);
    s_ = run.tasks.front().s;
    n_ = run.student.rows;
    batch_ = run.trainings.front().batch;
    const int k = run.tasks.front().neurons;
    if (lane < 0 || lane >= 8) throw py::value_error("lane must be in 0..7");
    sized(rows, n_ * (s_ + n_), "rows");
    sized(own, run.student.full ? n_ : k * n_, "own");
    drive_ = make_drive(run, to_vector(rows), to_vector(own), lane);
  }
  void step(const Array& X_S, const Array& Z, const Array& T, const Array& noise, double lr,
            double lr_own) {
    drive_->step(sized(X_S, batch_ * s_, "X_S"), sized(Z, batch_ * n_, "Z"),
                 sized(T, batch_ * batch_, "T"), sized(noise, batch_, "noise"), lr, lr_own);
  }
  Array rows() const { return to_array(drive_->rows()); }
  Array own() const { return to_array(drive_->own()); }

 private:
  std::vector<py::object> alive_;
  int s_ = 0, n_ = 0, batch_ = 0;
  std::unique_ptr<Drive> drive_;
};

}  // namespace

void bind_reduced(py::module_& m) {
  py::class_<BoundDrive>(m, "Drive", "The reduced space driven by given coordinates; for tests.")
      .def(py::init<const py::dict&, const Array&, const Array&, int>(), Door(), py::arg("spec"),
           py::arg("rows"), py::arg("own"), py::arg("lane") = 0)
      .def("step", &BoundDrive::step, Door(), py::arg("X_S"), py::arg("Z"), py::arg("T"),
           py::arg("noise"), py::arg("lr"), py::arg("lr_own"))
      .def("rows", &BoundDrive::rows)
      .def("own", &BoundDrive::own);
}

}  // namespace lrft::bindings
