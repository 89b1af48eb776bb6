// The extension module: a list of bind_* calls, one file a family.
#include "bind.hpp"

PYBIND11_MODULE(_core, m) {
  using namespace lrft::bindings;
  m.doc() = "The compiled engine of lrft.";
  m.attr("__version__") = LRFT_VERSION;
  bind_build(m);
  bind_work(m);
  bind_random(m);
  bind_activation(m);
  bind_basis(m);
  bind_types(m);
  bind_population(m);
  bind_run(m);
  bind_limits(m);
}
