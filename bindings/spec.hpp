// From Python dictionaries to the core's plain types.
#pragma once

#include "bind.hpp"
#include "lrft/run.hpp"

namespace lrft::bindings {

// By Status.
extern const char* const status_names[5];

// Ambient arrays are pointed to, not copied: `alive` keeps them.
// Throws for anything of a wrong size, so that no size in a spec reaches a pointer unchecked.
RunSpec read_spec(const py::dict& spec, std::vector<py::object>& alive);

// Sizes that do not fit each other, in check_spec.cpp.
void check_spec(const RunSpec& spec);

}  // namespace lrft::bindings
