// Plain runs in R^d on samples that are given.
#include "space/dataset.hpp"
#include "train/run_on.hpp"

namespace lrft {

Groups groups_dataset(const RunSpec& spec) { return plain_groups_in<DatasetSpace>(spec); }

}  // namespace lrft
