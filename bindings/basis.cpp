// Coordinates of given weights.
#include "space/basis.hpp"

#include "work.hpp"

namespace lrft::bindings {
namespace {

Array matrix(const std::vector<double>& values, py::ssize_t rows, py::ssize_t columns) {
  return Array({rows, columns}, values.data());
}

py::tuple basis_of(const Array& W, const Array& u) {
  if (W.ndim() != 2 || u.ndim() != 2 || W.shape(1) != u.shape(1))
    throw py::value_error("W (k, d) and u (r, d) must be matrices with equally long rows");
  if (W.size() == 0 || u.size() == 0) throw py::value_error("W and u must not be empty");
  const int k = static_cast<int>(W.shape(0)), r = static_cast<int>(u.shape(0));
  const double* w = W.data();
  const double* v = u.data();
  const std::int64_t d = W.shape(1);
  const Basis b = call_aside([=] { return span_basis(w, k, v, r, d); }, {W, u});
  return py::make_tuple(matrix(b.R, k, b.s), matrix(b.a, r, b.s), matrix(b.Q, b.s, W.shape(1)),
                        b.features_rank);
}

py::tuple coordinates_of(const Array& A, const Array& Q) {
  if (A.ndim() != 2 || Q.ndim() != 2 || A.shape(1) != Q.shape(1))
    throw py::value_error("A (n, d) and Q (s, d) must be matrices with equally long rows");
  if (A.size() == 0 || Q.size() == 0) throw py::value_error("A and Q must not be empty");
  const int n = static_cast<int>(A.shape(0)), s = static_cast<int>(Q.shape(0));
  const double* a = A.data();
  const double* q = Q.data();
  const std::int64_t d = A.shape(1);
  const Coordinates c = call_aside([=] { return coordinates(a, n, q, s, d); }, {A, Q});
  return py::make_tuple(matrix(c.P, n, s), matrix(c.L, n, n));
}

py::tuple leading_of(const Array& G, int r) {
  if (G.ndim() != 2 || r < 1 || r > std::min(G.shape(0), G.shape(1)))
    throw py::value_error("G must be a matrix (k, m), and r in [1, min(k, m)]");
  const int k = static_cast<int>(G.shape(0)), m = static_cast<int>(G.shape(1));
  const double* g = G.data();
  const Leading l = call_aside([=] { return leading(g, k, m, r); }, {G});
  return py::make_tuple(matrix(l.left, r, k), Array(r, l.sizes.data()), matrix(l.right, r, m));
}

}  // namespace

void bind_basis(py::module_& m) {
  m.def("span_basis", &basis_of, Door(), py::arg("W").noconvert(), py::arg("u").noconvert(),
        "(R, a, Q, rank of W): W = R Q and u = a Q with orthonormal rows Q.");
  m.def("coordinates", &coordinates_of, Door(), py::arg("A").noconvert(), py::arg("Q").noconvert(),
        "(P, L) of rows A: A Q^T, and a lower-triangular factor of what is outside the rows of Q.");
  m.def("leading", &leading_of, Door(), py::arg("G").noconvert(), py::arg("r"),
        "(left, sizes, right) of the r largest singular values of G: (r, k), (r,), (r, m).");
}

}  // namespace lrft::bindings
