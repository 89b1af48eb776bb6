// Runs of full networks.
#include "space/ambient.hpp"
#include "space/dataset.hpp"
#include "space/reduced.hpp"
#include "student/full.hpp"
#include "train/run_on.hpp"

namespace lrft {

std::unique_ptr<Run> run_full(const RunSpec& spec) {
  if (spec.data.given()) return run_on<DatasetSpace, Full<NeuronLanes>>(spec);
  if (spec.ambient) return run_on<AmbientSpace, Full<NeuronLanes>>(spec);
  return run_on<ReducedSpace<>, Full<ReplicaLanes>>(spec);
}

}  // namespace lrft
