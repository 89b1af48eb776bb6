// Activations: which one, and its values.
#include "activation/evaluate.hpp"

#include "bind.hpp"

namespace lrft::bindings {
namespace {

ActivationSpec make_spec(const std::string& kind, const std::vector<double>& coefficients,
                         std::uintptr_t value, std::uintptr_t derivative) {
  ActivationSpec spec;
  spec.kind = kind;
  spec.coefficients = coefficients;
  spec.value = reinterpret_cast<double (*)(double)>(value);
  spec.derivative = reinterpret_cast<double (*)(double)>(derivative);
  check(spec);
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
  py::class_<ActivationFacts>(m, "ActivationFacts", "What is known of an activation.")
      .def_readonly("name", &ActivationFacts::name)
      .def_readonly("formula", &ActivationFacts::formula, "As the documentation shows it.")
      .def_readonly("parameters", &ActivationFacts::parameters,
                    "What it needs: '', 'coefficients' or 'functions'.")
      .def_readonly("value_error", &ActivationFacts::value_error,
                    "Largest error found of sigma, in units of 2^-52; NaN where none is stated.")
      .def_readonly("slope_error", &ActivationFacts::slope_error, "The same of sigma'.")
      .def_readonly("law", &ActivationFacts::law, "What its exact loss rests on.")
      .def_readonly("torch", &ActivationFacts::torch, "Its class of torch.nn, or ''.")
      .def_readonly("route", &ActivationFacts::route, "How its exact loss is found.")
      .def_readonly("most_coefficients", &ActivationFacts::most_coefficients,
                    "Hermite coefficients that can be had; 0: any number.")
      .def_readonly("linearized", &ActivationFacts::linearized,
                    "Whether the exact loss of linearised students is known.");
  m.def("activations", &activation_facts, "Facts of every activation.");
  py::class_<ActivationSpec>(m, "Activation", "An activation the engine can use.")
      .def("evaluate", &evaluate_at, Door(), py::arg("z").noconvert(),
           "(sigma, sigma') at z, float64 arrays of its shape.");
  m.def("activation", &make_spec, Door(), py::arg("kind"), py::arg("coefficients"),
        py::arg("value") = 0, py::arg("derivative") = 0,
        "An activation by kind; Hermite coefficients or callback addresses where it needs them.");
}

}  // namespace lrft::bindings
