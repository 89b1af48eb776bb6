// General runs in R^d on inputs that are drawn.
#include "space/ambient.hpp"
#include "space/any_labels.hpp"
#include "space/blocks_general.hpp"
#include "train/run_on.hpp"

namespace lrft {

Groups groups_ambient_general(const RunSpec& spec) {
  return general_groups_in<AnyLabels<BlocksOf<BlocksGeneral, GaussianInputs>>>(spec);
}

}  // namespace lrft
