// Long calls into the engine: without the interpreter's lock, left within milliseconds on a
// signal or a stop, and over before the interpreter goes.
#pragma once

#include <atomic>
#include <functional>

#include "bind.hpp"
#include "lrft/poll.hpp"

namespace lrft::bindings {

// A call that may take long, while it lasts; made and unmade with the lock held.  Throws what
// Python raises instead where the thread has been stopped or the interpreter is about to end.
class Working {
 public:
  Working();
  ~Working();
  Working(const Working&) = delete;
  Working& operator=(const Working&) = delete;

  // For the engine, on this thread and without the lock: a signal that raised, or a stop?
  const std::function<bool()>& ask() const { return ask_; }
  // With the lock again, after work that was left or that may have been: raises why.
  void raise_if_left() const;

 private:
  bool counted_;
  int fork_;
  std::function<bool()> ask_;
};

// body() without the lock, polling.
template <class Body>
void long_call(const Body& body) {
  const Working working;
  {
    const py::gil_scoped_release release;
    std::atomic<bool> cancel{false};
    const Poll poll(cancel, &working.ask());
    try {
      body();
    } catch (const Cancelled&) {
    }
  }
  working.raise_if_left();
}

}  // namespace lrft::bindings
