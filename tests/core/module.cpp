// The extension module lrft/isa_<set>/_testing.
#include "bind.hpp"
#include "drive.hpp"
#include "lrft/footprint.hpp"

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
  BoundDrive(const RunSpec& run, const Array& rows, const Array& own, int lane) {
    s_ = run.tasks.front().s;
    n_ = run.student.rows * sizes_of(run).copies();
    parts_ = static_cast<int>(sizes_of(run).complements());
    batch_ = run.trainings.front().batch;
    if (lane < 0 || lane >= 8) throw py::value_error("lane must be in 0..7");
    sized(rows, n_ * (s_ + parts_ * n_), "rows");
    sized(
        own,
        static_cast<int>(run.student.own_size(run.tasks.front().neurons)) * sizes_of(run).copies(),
        "own");
    drive_ = make_drive(run, to_vector(rows), to_vector(own), lane);
  }
  void step(const Array& X_S, const Array& Z, const Array& T, const Array& noise, double lr,
            double lr_own) {
    drive_->step(sized(X_S, batch_ * s_, "X_S"), sized(Z, batch_ * parts_ * n_, "Z"),
                 sized(T, parts_ * batch_ * batch_, "T"), sized(noise, batch_, "noise"), lr,
                 lr_own);
  }
  Array rows() const { return to_array(drive_->rows()); }
  Array own() const { return to_array(drive_->own()); }

 private:
  int s_ = 0, n_ = 0, parts_ = 1, batch_ = 0;
  std::unique_ptr<Drive> drive_;
};

}  // namespace
}  // namespace lrft::bindings

PYBIND11_MODULE(_testing, m) {
  using namespace lrft::bindings;
  m.doc() = "What only tests reach of the engine of lrft.";
  // `run` is an object of lrft._core.
  py::class_<BoundDrive>(m, "Drive", py::module_local(),
                         "The reduced space driven by given coordinates.")
      .def(py::init<const lrft::RunSpec&, const Array&, const Array&, int>(), Door(),
           py::arg("run"), py::arg("rows"), py::arg("own"), py::arg("lane") = 0)
      .def("step", &BoundDrive::step, Door(), py::arg("X_S"), py::arg("Z"), py::arg("T"),
           py::arg("noise"), py::arg("lr"), py::arg("lr_own"))
      .def("rows", &BoundDrive::rows)
      .def("own", &BoundDrive::own);
}
