// General runs in R^d on samples that are given.
#include "space/blocks_again.hpp"
#include "space/dataset.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_dataset_general(const RunSpec& spec) {
  return run_general_in<BlocksAgain<GivenInputs>>(spec);
}

}  // namespace lrft
