// Few replicas whose lanes hold several inputs: each input of each replica is there once, and comes
// back to its lane.
#include <doctest/doctest.h>

#include <vector>

#include "space/fold.hpp"

namespace {

using namespace lrft;

double entry(const Pack& p, int lane) {
  double x[lanes];
  store(x, p);
  return x[lane];
}

}  // namespace

TEST_CASE("an input of a replica comes back to its lane") {
  Pack lane_of;
  for (int l = 0; l < lanes; ++l) reinterpret_cast<double*>(&lane_of)[l] = l;
  for (int mask = 0; mask < 256; ++mask)
    for (int inputs = 1; inputs <= 17; ++inputs) {
      bool runs[lanes];
      int count = 0;
      for (int l = 0; l < lanes; ++l) count += (runs[l] = (mask >> l) % 2 == 1);
      const Fold fold(runs, inputs);
      CHECK(fold.there() == (count > 0 && count <= 4 && inputs > 1));
      if (!fold.there()) continue;
      CHECK(fold.groups() * fold.inputs() >= inputs);
      // 100 times the input and the replica, where a folded pack has them.
      const Pack first = signed_to_double(fold.first());
      std::vector<Pack> folded;
      for (int i = 0; i < fold.inputs(); ++i)
        folded.push_back((first + static_cast<double>(i)) * 100.0 + fold.folded(lane_of));
      for (int input = 0; input < inputs; ++input) {
        const int group = input / fold.inputs();
        const Pack& pack = folded[static_cast<std::size_t>(input % fold.inputs())];
        const Pack back = permuted(pack, fold.back(group));
        for (int l = 0; l < lanes; ++l)
          if (runs[l]) CHECK(entry(back, l) == 100 * input + l);
      }
    }
}
