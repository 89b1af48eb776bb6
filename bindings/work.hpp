// Long calls into the engine: without the interpreter's lock, left within milliseconds on a
// signal or a stop, and over before the interpreter goes.
#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

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
    Poll poll(cancel, &working.ask());
    try {
      body();
    } catch (const Cancelled&) {
    }
  }
  working.raise_if_left();
}

// The result of body() where it is a library's and cannot poll: in a thread of its own, which is
// left behind when the call is.  It reads `used`, which then stays for good.
template <class Body>
auto call_aside(const Body& body, const std::vector<py::object>& used) {
  struct Shared {
    decltype(body()) result;
    std::exception_ptr error;
    std::atomic<bool> done{false};
  };
  const auto shared = std::make_shared<Shared>();
  const auto work = [shared, body] {
    try {
      shared->result = body();
    } catch (...) {
      shared->error = std::current_exception();
    }
    shared->done = true;
  };
  const Working working;
  {
    const py::gil_scoped_release release;
    std::thread aside;
    try {
      aside = std::thread(work);
    } catch (const std::system_error&) {  // no more threads: here, then
      work();
    }
    std::atomic<bool> cancel{false};
    Poll poll(cancel, &working.ask());
    for (int i = 0; !shared->done && !poll.cancelled(); ++i) {
      std::this_thread::sleep_for(std::chrono::microseconds(i < 100 ? 20 : 1000));
      poll.look();
    }
    // Whoever waits for its end sees all that it wrote; the one that is left ends by itself.
    if (aside.joinable()) shared->done ? aside.join() : aside.detach();
  }
  if (!shared->done)
    for (const py::object& one : used) one.inc_ref();
  working.raise_if_left();
  if (shared->error) std::rethrow_exception(shared->error);
  return std::move(shared->result);
}

}  // namespace lrft::bindings
