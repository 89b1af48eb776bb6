// What a run works with, whatever its space, step and student: groups of lanes, one a thread.
#pragma once

#include <functional>
#include <memory>

#include "lrft/poll.hpp"
#include "lrft/population.hpp"
#include "lrft/run.hpp"
#include "space/shape.hpp"

namespace lrft {

// Hands out the next chain, or null when there are no more.
using NextChain = std::function<Chain*()>;

// One thread's trainer, whatever it trains.
class AnyGroup {
 public:
  virtual ~AnyGroup() = default;
  // Works until `poll` says stop; false when there is nothing left to do.  Throws Cancelled out
  // of what takes long, which is then as if it had not begun.
  virtual bool work(Poll& poll) = 0;
  // Brings the students of the running lanes into their chains.
  virtual void save() = 0;
  // Looks at them where they stand.
  virtual void observe() = 0;
  virtual std::int64_t steps_done() const = 0;
};

// How the groups of a run are made.
struct Groups {
  int width;  // chains that one steps together
  std::unique_ptr<AnyGroup> (*make)(const RunSpec&, const Shape&, const Population&,
                                    const NextChain&);
};

// The members of the family are compiled one file a space and step.
Groups groups_reduced(const RunSpec& spec);
Groups groups_ambient(const RunSpec& spec);
Groups groups_dataset(const RunSpec& spec);
Groups groups_reduced_general(const RunSpec& spec);
Groups groups_ambient_general(const RunSpec& spec);
Groups groups_dataset_general(const RunSpec& spec);

}  // namespace lrft
