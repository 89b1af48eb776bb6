// General runs in R^d on samples that are given.
#include "space/blocks_general.hpp"
#include "space/dataset.hpp"
#include "train/run_on.hpp"

namespace lrft {

Groups groups_dataset_general(const RunSpec& spec) {
  return general_groups_in<BlocksOf<BlocksGeneral, GivenInputs>>(spec);
}

}  // namespace lrft
