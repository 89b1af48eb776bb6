// The reduced space driven from outside, and products alone, for tests.
#include "bind.hpp"
#include "lrft/footprint.hpp"
#include "space/drive.hpp"

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
    batch_ = run.trainings.front().batch;
    if (lane < 0 || lane >= 8) throw py::value_error("lane must be in 0..7");
    sized(rows, n_ * (s_ + n_), "rows");
    sized(
        own,
        static_cast<int>(run.student.own_size(run.tasks.front().neurons)) * sizes_of(run).copies(),
        "own");
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
  int s_ = 0, n_ = 0, batch_ = 0;
  std::unique_ptr<Drive> drive_;
};

// Sizes of a (m, .) and x (depth, columns), few enough for an int.
int size_of(const Array& a, int axis) {
  if (a.ndim() != 2 || a.size() > (1 << 24)) throw py::value_error("a small matrix is wanted");
  return static_cast<int>(a.shape(axis));
}
void whole_packs(int size, const char* name) {
  if (size % 8 != 0)
    throw py::value_error(std::string(name) + " must be a multiple of 8, got " +
                          std::to_string(size));
}
Array shaped(const std::vector<double>& y, int rows, int columns) {
  return Array({rows, columns}, y.data());
}
Array product(const Array& a, const Array& x) {
  const int rows = size_of(a, 0), depth = size_of(x, 0), columns = size_of(x, 1);
  if (size_of(a, 1) != depth) throw py::value_error("a has as many columns as x has rows");
  return shaped(Products::product(a.data(), x.data(), rows, depth, columns), rows, columns);
}
Array gram(const Array& x) {
  const int depth = size_of(x, 0), columns = size_of(x, 1);
  whole_packs(columns, "the number of columns");
  return shaped(Products::gram(x.data(), depth, columns), columns, columns);
}
Array product_transposed(const Array& a, const Array& x) {
  const int rows = size_of(a, 0), depth = size_of(x, 0), columns = size_of(x, 1);
  if (size_of(a, 1) != columns) throw py::value_error("a has as many columns as x");
  whole_packs(depth, "the number of rows");
  whole_packs(columns, "the number of columns");
  return shaped(Products::transposed(a.data(), x.data(), rows, depth, columns), rows, depth);
}

}  // namespace

void bind_reduced(py::module_& m) {
  py::module_ products = m.def_submodule("products", "Products of blocks of inputs; for tests.");
  products.def("product", &product, Door(), py::arg("a"), py::arg("x"), "a x.");
  products.def("gram", &gram, Door(), py::arg("x"),
               "x^T x, the blocks of 8 x 8 on and below the diagonal.");
  products.def("product_transposed", &product_transposed, Door(), py::arg("a"), py::arg("x"),
               "a x^T.");
  py::class_<BoundDrive>(m, "Drive", "The reduced space driven by given coordinates; for tests.")
      .def(py::init<const RunSpec&, const Array&, const Array&, int>(), Door(), py::arg("run"),
           py::arg("rows"), py::arg("own"), py::arg("lane") = 0)
      .def("step", &BoundDrive::step, Door(), py::arg("X_S"), py::arg("Z"), py::arg("T"),
           py::arg("noise"), py::arg("lr"), py::arg("lr_own"))
      .def("rows", &BoundDrive::rows)
      .def("own", &BoundDrive::own);
}

}  // namespace lrft::bindings
