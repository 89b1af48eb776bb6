// General runs in the reduced space.
#include "space/any_labels.hpp"
#include "space/reduced_general.hpp"
#include "train/run_on.hpp"

namespace lrft {

Groups groups_reduced_general(const RunSpec& spec) {
  return general_groups_in<AnyLabels<ReducedGeneral>>(spec);
}

}  // namespace lrft
