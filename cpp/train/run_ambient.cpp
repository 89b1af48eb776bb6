// Plain runs in R^d on inputs that are drawn.
#include "space/ambient.hpp"
#include "train/run_on.hpp"

namespace lrft {

Groups groups_ambient(const RunSpec& spec) { return plain_groups_in<AmbientSpace>(spec); }

}  // namespace lrft
