// General runs in R^d on samples that are given, whose optimiser is more than descent.
#include "space/blocks_memory.hpp"
#include "space/dataset.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_dataset_memory(const RunSpec& spec) {
  return run_general_in<BlocksMemory<GivenInputs>>(spec);
}

}  // namespace lrft
