// Plain runs in R^d on inputs that are drawn.
#include "space/ambient.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_ambient(const RunSpec& spec) { return run_plain_in<AmbientSpace>(spec); }

}  // namespace lrft
