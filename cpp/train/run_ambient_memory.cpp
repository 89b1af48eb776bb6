// General runs in R^d on inputs that are drawn, whose optimiser is more than descent.
#include "space/ambient.hpp"
#include "space/blocks_memory.hpp"
#include "space/whole_labels.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_ambient_memory(const RunSpec& spec) {
  return run_general_in<WholeLabels<BlocksMemory<GaussianInputs>>>(spec);
}

}  // namespace lrft
