// Plain runs in R^d on samples that are given.
#include "space/dataset.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_dataset(const RunSpec& spec) { return run_plain_in<DatasetSpace>(spec); }

}  // namespace lrft
