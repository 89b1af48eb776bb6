// Long work asks now and then whether it is still wanted.
//
// Work counts what it does, in units of about a nanosecond, and the clock is read when about a
// millisecond has gone by: units need not be exact, since the next stretch is as long as the
// last one was slow.  So a step of any cost is left within milliseconds.
//
// Between steps a run asks `stop`.  Inside long ones, and in expectations, sampling and starts,
// `Poll::spend` throws `Cancelled`; what it leaves must be as if the step had not begun.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

namespace lrft {

using Clock = std::chrono::steady_clock;

// Thrown out of work that is not wanted any more.
struct Cancelled {};

// Polls for the thread that made it, as long as it lives; an inner one goes before the outer.
class Poll {
 public:
  // `cancel` is shared by the threads of one piece of work.  `ask` may be null; else it is
  // called, on this thread, every few hundredths of a second, and sets `cancel` when it says yes.
  explicit Poll(std::atomic<bool>& cancel, const std::function<bool()>* ask = nullptr,
                Clock::time_point deadline = Clock::time_point::max())
      : cancel_(cancel), ask_(ask), deadline_(deadline), last_(Clock::now()), outer_(mine_) {
    next_ask_ = last_ + every;
    mine_ = this;
  }
  ~Poll() { mine_ = outer_; }
  Poll(const Poll&) = delete;
  Poll& operator=(const Poll&) = delete;

  // Between steps, after `units` of work: cancelled, or past the deadline?
  bool stop(std::int64_t units) {
    left_ -= units;
    return left_ <= 0 && look();
  }
  // The same at once.
  bool look() {
    const auto now = Clock::now();
    const double took = std::chrono::duration<double>(now - last_).count();
    const auto done = static_cast<double>(stride_ - left_);
    // A stretch that was held up by another process says little about the next.
    const auto stride = static_cast<double>(stride_);
    const double next = took > 0 ? done * (stretch / took) : 2 * stride;
    stride_ =
        static_cast<std::int64_t>(std::clamp(std::clamp(next, stride / 4, 2 * stride), 1.0, most));
    left_ = stride_;
    last_ = now;
    if (ask_ != nullptr && now >= next_ask_) {
      if ((*ask_)()) cancel_ = true;
      next_ask_ = Clock::now() + every;
    }
    return cancelled() || now >= deadline_;
  }
  bool cancelled() const { return cancel_.load(std::memory_order_relaxed); }

  // Inside long work, after `units` of it.  Nothing happens on a thread that does not poll.
  // Out of line: where it is rarely called, the registers are the caller's.
  __attribute__((noinline)) static void spend(std::int64_t units) {
    if (mine_ == nullptr || (mine_->left_ -= units) > 0) return;
    mine_->look();
    if (mine_->cancelled()) throw Cancelled();
  }

  // While it lives, work on this thread is not left: a chain that is being changed must be whole.
  class Pause {
   public:
    Pause() : held_(mine_) { mine_ = nullptr; }
    ~Pause() { mine_ = held_; }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Poll* held_;
  };

 private:
  static constexpr double stretch = 1e-3;  // seconds between looks at the clock
  static constexpr double most = 1e7;      // units between them, should they be far too small
  static constexpr auto every = std::chrono::milliseconds(50);
  static inline thread_local Poll* mine_ = nullptr;

  std::atomic<bool>& cancel_;
  const std::function<bool()>* ask_;
  Clock::time_point deadline_, last_, next_ask_;
  Poll* outer_;
  std::int64_t stride_ = 100'000, left_ = stride_;
};

}  // namespace lrft
