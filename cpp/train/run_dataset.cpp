// Runs in R^d on samples that are given.
#include "space/dataset.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_dataset(const RunSpec& spec) {
  return shape_of(spec).plain ? run_in<DatasetSpace>(spec)
                              : run_in<BlocksMemory<GivenInputs>>(spec);
}

}  // namespace lrft
