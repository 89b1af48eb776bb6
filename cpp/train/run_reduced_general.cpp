// General runs in the reduced space.
#include "space/reduced_again.hpp"
#include "space/whole_labels.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_reduced_general(const RunSpec& spec) {
  return run_general_in<WholeLabels<ReducedAgain>>(spec);
}

}  // namespace lrft
