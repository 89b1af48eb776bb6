// Runs in R^d on inputs that are drawn.
#include "space/ambient.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_ambient(const RunSpec& spec) {
  return shape_of(spec).plain ? run_in<AmbientSpace>(spec)
                              : run_in<BlocksMemory<GaussianInputs>>(spec);
}

}  // namespace lrft
