// The core's interface: it makes runs of what it is given.
// Plain types only; one engine behind it per instruction set.
#pragma once

#include <functional>
#include <memory>

#include "lrft/types.hpp"

namespace lrft {

class Run {
 public:
  virtual ~Run() = default;
  // Works for about `seconds` on all threads; true when every chain has ended.
  // The calling thread asks `interrupted` every few hundredths of a second; when it says yes,
  // all work stops within milliseconds, a step that is not done leaves no trace, and advance
  // returns false.
  virtual bool advance(double seconds, const std::function<bool()>& interrupted) = 0;
  virtual const std::vector<Chain>& chains() const = 0;
  // Updates done so far, over all chains.
  virtual std::int64_t steps_done() const = 0;
  // Brings the state of running students into their chains.
  virtual void save() = 0;
  // Looks at running students where they stand, into `last` of their chains; costs a record each.
  virtual void observe() = 0;
};

std::unique_ptr<Run> make_run(const RunSpec& spec);

}  // namespace lrft
