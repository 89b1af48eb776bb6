// Runs of full networks.
#include "space/ambient.hpp"
#include "space/dataset.hpp"
#include "space/reduced.hpp"
#include "student/full.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_full(const RunSpec& spec) {
  if (spec.data.given()) return std::make_unique<RunOn<DatasetSpace, Full<NeuronLanes>>>(spec);
  if (spec.ambient) return std::make_unique<RunOn<AmbientSpace, Full<NeuronLanes>>>(spec);
  return std::make_unique<RunOn<ReducedSpace<>, Full<ReplicaLanes>>>(spec);
}

}  // namespace lrft
