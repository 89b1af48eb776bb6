// General runs in R^d on inputs that are drawn.
#include "space/ambient.hpp"
#include "space/blocks_again.hpp"
#include "space/whole_labels.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_ambient_general(const RunSpec& spec) {
  return run_general_in<WholeLabels<BlocksAgain<GaussianInputs>>>(spec);
}

}  // namespace lrft
