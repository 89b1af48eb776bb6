// From Python dictionaries to the core's plain types.
#pragma once

#include "bind.hpp"
#include "lrft/run.hpp"

namespace lrft::bindings {

// By Status.
extern const char* const status_names[5];

// Ambient arrays are pointed to, not copied: `alive` keeps them.
RunSpec read_spec(const py::dict& spec, std::vector<py::object>& alive);

}  // namespace lrft::bindings
