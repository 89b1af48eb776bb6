// General runs in the reduced space whose optimiser is more than descent.
#include "space/reduced_memory.hpp"
#include "space/whole_labels.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_reduced_memory(const RunSpec& spec) {
  return run_general_in<WholeLabels<ReducedMemory>>(spec);
}

}  // namespace lrft
