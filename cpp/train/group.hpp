// The trainer of one thread: steps all lanes until one has something to say, and hears it.
//
// The step is in train/step.hpp, the lanes in train/lanes.hpp, what is said in train/watch.hpp.
#pragma once

#include <algorithm>

#include "train/groups.hpp"
#include "train/lanes.hpp"
#include "train/watch.hpp"

namespace lrft {

template <Space S, Student<S> T, Loss<typename S::Layout> L, Optimiser<typename S::Layout> O>
class Group final : public AnyGroup {
 public:
  static constexpr int width = Lanes<S, T, L, O>::width;

  Group(const RunSpec& spec, const Shape& shape, const Population& population, NextChain next)
      : units_(shape.units),
        lanes_(spec, shape, population, std::move(next)),
        watch_(spec, shape, population, lanes_) {}

  bool work(Poll& poll) override {
    lanes_.each([](int, Chain& chain) { chain.last = {}; });  // soon a step behind
    for (;;) {
      report();  // what was cut short
      if (!lanes_.fill([this](int lane, Chain& chain) { begin(lane, chain); })) return false;
      if (std::find(due_, due_ + width, true) != due_ + width) continue;
      run_to_event(poll);
      if (poll.look()) return true;
    }
  }
  void save() override {
    lanes_.each([this](int lane, Chain&) { lanes_.save(lane), watch_.keep(lane); });
  }
  void observe() override {
    lanes_.each([this](int lane, Chain&) { watch_.observe(lane); });
  }
  std::int64_t steps_done() const override { return steps_done_; }

 private:
  void begin(int lane, Chain& chain) {
    const bool fresh = chain.status == Status::waiting;
    lanes_.begin(lane, chain, [this](int to, const TaskData& task) { watch_.set_task(to, task); });
    // One that goes on may have been left before all was said of its last step; nothing is said
    // twice.
    if (!fresh) watch_.aim(lane);
    look();
    if ((due_[lane] = !fresh)) return;
    watch_.follow(lane);
    arrived(lane);
  }
  void finish(int lane, Status status) {
    const Poll::Pause whole;  // the rows of a long block are worked out here
    watch_.keep(lane);
    watch_.rest(lane);
    lanes_.finish(lane, status);
  }
  // Steps until a lane has something to say, or until `poll` says stop.
  void run_to_event(Poll& poll) {
    std::int64_t run = std::int64_t{1} << 20, done = 0;
    lanes_.each([&](int, const Chain& chain) {
      run = std::min(run, lanes_.next_record(chain) - chain.step);
    });
    try {
      while (done < run) {
        watch_.stepped(lanes_.template step<decltype(watch_)::sums_losses>());
        ++done;
        if (look() || poll.stop(units_)) break;
      }
    } catch (const Cancelled&) {
      lanes_.undo();
      arrive(done);
      throw;
    }
    arrive(done);
    report();
  }
  LRFT_INLINE bool look() {
    looked_ = false;
    const bool some = watch_.look();
    looked_ = true;
    return some;
  }
  // The clocks of all lanes go on; what is to be said of them is due.
  void arrive(std::int64_t done) {
    lanes_.each([&](int lane, Chain& chain) {
      chain.step += done;
      steps_done_ += done;
      if (done > 0 && lanes_.diverged(lane))
        finish(lane, Status::diverged);
      else
        due_[lane] = done > 0 || lanes_.next_record(chain) == chain.step;
    });
  }
  // A lane is asked only where it has an event or a record of its own: where the clock
  // or a neighbour ended the stretch is no part of its path.
  void report() {
    if (!looked_) look();
    lanes_.each([&](int lane, const Chain& chain) {
      if (!due_[lane]) return;
      watch_.follow(lane);
      if (watch_.event(lane) || lanes_.next_record(chain) == chain.step) arrived(lane);
      due_[lane] = false;
    });
  }
  // The lane is at a new step: what is to be noted, and whether it ends.
  void arrived(int lane) {
    const Chain& chain = *lanes_.chain(lane);
    const Status status = watch_.note(lane);
    const bool last = chain.step == lanes_.training(chain).steps;
    if (status == Status::running && !last) return watch_.aim(lane);
    finish(lane, status == Status::running ? Status::finished : status);
  }

  std::int64_t units_;  // of work in a step
  Lanes<S, T, L, O> lanes_;
  WatchOf<Lanes<S, T, L, O>> watch_;
  bool due_[width] = {};  // the chain has come to a step of which nothing is said yet
  bool looked_ = true;    // the watch has seen the last step
  std::int64_t steps_done_ = 0;
};

}  // namespace lrft
