// Activations: which one, and its values.
#include "activation/evaluate.hpp"

#include <map>

#include "bind.hpp"

namespace lrft::bindings {
namespace {

ActivationSpec make_spec(const std::string& kind, const std::vector<double>& coefficients,
                         std::uintptr_t value, std::uintptr_t derivative) {
  static const std::map<std::string, ActivationKind> kinds = {
      {"relu", ActivationKind::relu},         {"erf", ActivationKind::erf},
      {"tanh", ActivationKind::tanh},         {"sigmoid", ActivationKind::sigmoid},
      {"gelu", ActivationKind::gelu},         {"silu", ActivationKind::silu},
      {"softplus", ActivationKind::softplus}, {"quadratic", ActivationKind::quadratic},
      {"hermite", ActivationKind::hermite},   {"custom", ActivationKind::custom}};
  const auto found = kinds.find(kind);
  if (found == kinds.end()) throw py::value_error("kind: unknown activation '" + kind + "'");
  ActivationSpec spec;
  spec.kind = found->second;
  spec.coefficients = coefficients;
  spec.value = reinterpret_cast<double (*)(double)>(value);
  spec.derivative = reinterpret_cast<double (*)(double)>(derivative);
  if (spec.kind == ActivationKind::hermite && coefficients.empty())
    throw py::value_error("coefficients: a Hermite series needs at least one");
  if (spec.kind == ActivationKind::custom && (value == 0 || derivative == 0))
    throw py::value_error("value, derivative: a custom activation needs both addresses");
  return spec;
}

py::tuple evaluate_at(const ActivationSpec& spec, const Array& z) {
  const std::vector<py::ssize_t> shape(z.shape(), z.shape() + z.ndim());
  Array sigma(shape), slope(shape);
  evaluate(spec, static_cast<std::size_t>(z.size()), z.data(), sigma.mutable_data(),
           slope.mutable_data());
  return py::make_tuple(sigma, slope);
}

}  // namespace

void bind_activation(py::module_& m) {
  py::class_<ActivationSpec>(m, "Activation", "An activation the engine can use.")
      .def("evaluate", &evaluate_at, Door(), py::arg("z").noconvert(),
           "(sigma, sigma') at z, float64 arrays of its shape.");
  m.def("activation", &make_spec, Door(), py::arg("kind"), py::arg("coefficients"),
        py::arg("value") = 0, py::arg("derivative") = 0,
        "An activation by kind; Hermite coefficients or callback addresses where it needs them.");
}

}  // namespace lrft::bindings
