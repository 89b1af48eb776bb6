// The lanes of a group: which chain is in which, how it begins, goes on, rests and ends.
//
// One space with one student: eight replicas in lanes (reduced), or one (R^d).  Each lane has its
// own task, its own clock and its own plan.
#pragma once

#include <functional>
#include <stdexcept>

#include "train/observe.hpp"
#include "train/reuse.hpp"
#include "train/step.hpp"

namespace lrft {

template <Space S, Student<S> T, Loss<typename S::Layout> L, Optimiser<typename S::Layout> O>
class Lanes {
 public:
  using SpaceType = S;
  using StudentType = T;
  using Layout = typename S::Layout;
  using Scalar = typename S::Scalar;
  static constexpr int width = Layout::replicas;

  // `next` hands out the next chain, or null when there are no more.
  Lanes(const RunSpec& spec, const Shape& shape, const Population& population,
        std::function<Chain*()> next)
      : spec_(spec),
        shape_(shape),
        population_(population),
        grams_(population, spec.link_activation, shape, width),
        next_(std::move(next)),
        space_(shape, spec),
        student_(shape, spec.student, make_activation(spec.activation)),
        optimiser_(shape),
        reuse_(shape) {}

  // ---- what a chain is about ------------------------------------------------------------
  const TaskData& task(const Chain& chain) const {
    return spec_.tasks[static_cast<std::size_t>(chain.task)];
  }
  const TrainingData& training(const Chain& chain) const {
    return spec_.trainings[static_cast<std::size_t>(chain.training)];
  }
  const StudentSpec& initial(const Chain& chain) const {
    return spec_.students.empty() ? spec_.student
                                  : spec_.students[static_cast<std::size_t>(chain.task)];
  }
  // What losses of its task share.
  const TaskGram& gram(const Chain& chain) { return grams_.of(task(chain)); }
  // The own parameters at step 0.
  std::vector<double> start_own(const Chain& chain) const {
    return initial_own(shape_, initial(chain), spec_.seed, chain.replica);
  }

  // The average of a lane's own parameters, with this share of those now.
  std::vector<double> averaged_own(int lane, double share) {
    return optimiser_.averaged_own(lane, student_, share);
  }
  // The step of its next record, or its last step.
  std::int64_t next_record(const Chain& chain) const {
    return lrft::next_record(training(chain), chain);
  }

  // ---- what is there ----------------------------------------------------------------------
  S& space() { return space_; }
  T& student() { return student_; }
  const L& loss() const { return loss_; }
  // Null in a lane that rests.
  Chain* chain(int lane) const { return chain_[lane]; }
  // f(lane, chain) for each that runs.
  template <class F>
  void each(const F& f) const {
    for (int lane = 0; lane < width; ++lane)
      if (chain_[lane] != nullptr) f(lane, *chain_[lane]);
  }
  // Of the last step; what diverges is above `diverged_above`, or no number.
  const Scalar& health() const { return health_; }
  bool diverged(int lane) const { return !(get(health_, lane) <= diverged_above); }

  // ---- in and out -------------------------------------------------------------------------
  // A chain for each lane, as long as there are any, by start(lane, chain); true if some lane has
  // one.  A chain whose start is left waits again.
  template <class Start>
  bool fill(const Start& start) {
    for (int lane = 0; lane < width; ++lane)
      while (chain_[lane] == nullptr) {
        if (handed_ == nullptr) handed_ = next_();
        if (handed_ == nullptr) break;
        const Status status = handed_->status;
        try {
          start(lane, *handed_);
        } catch (const Cancelled&) {
          handed_->status = status;
          chain_[lane] = nullptr;
          throw;
        }
        handed_ = nullptr;
      }
    return std::any_of(chain_, chain_ + width, [](const Chain* chain) { return chain != nullptr; });
  }
  // Starts the chain in the lane, or goes on where it was saved; set_task(lane, task) is told of
  // the lanes that get its task.
  template <class SetTask>
  void begin(int lane, Chain& chain, const SetTask& set_task) {
    if (space_.steps_back(chain.state_step) != 0)
      throw std::invalid_argument("state_step must be the start of a block of inputs");
    // Lanes that were never used do harmless work on a copy of this task.
    for (int other = 0; other < width; ++other)
      if (other == lane || !used_[other]) {
        space_.set_task(other, task(chain), chain.replica);
        student_.set_task(other, task(chain), initial(chain));
        set_task(other, task(chain));
      }
    used_[lane] = true;
    if (chain.status == Status::waiting) {
      initialise(space_, lane, shape_, spec_, initial(chain), task(chain), population_, grams_,
                 chain);
      chain.status = Status::running;
    }
    if (width > 1 && idle_rows_.empty()) {
      idle_rows_ = chain.rows;
      idle_own_ = chain.own;
      for (int other = 0; other < width; ++other)
        if (!used_[other]) rest(other);
    }
    space_.set_rows(lane, chain.rows);
    // Before set_own, which weighs what moves the rows.
    if (initial(chain).linearized) student_.set_start(lane, start_own(chain));
    student_.set_own(lane, chain.own);
    optimiser_.remember(lane, student_, chain.own);
    chain_[lane] = &chain;
    set_runs(lane, true);
    chain.last = {};
    step_[lane] = static_cast<std::uint64_t>(chain.state_step);
    loss_.set(lane, training(chain));
    if constexpr (requires { space_.set_plan(lane, training(chain)); })
      space_.set_plan(lane, training(chain));
    reuse_.set(lane, training(chain));
    varying_ = varying_ || O::varies(training(chain));
    set_rates(lane);
    // Replay to where the chain was saved: same bits, nothing observed twice.
    if constexpr (S::replays)
      while (static_cast<std::int64_t>(step_[lane]) < chain.step) {
        step<false>();
        Poll::spend(shape_.units);
      }
    put(health_, lane, 0);
  }
  // Brings the student into the chain: its state, from which a path can go on.
  void save(int lane) {
    Chain& chain = *chain_[lane];
    const std::int64_t back = space_.steps_back(chain.step);
    save_whole(lane);
    if (back > 0) chain.own = block_own_;
    chain.state_step = chain.step - back;
  }
  void finish(int lane, Status status) {
    Chain& chain = *chain_[lane];
    chain.status = status;
    if (spec_.keep_state) {
      chain.rows = space_.rows_now(lane);
      chain.own = student_.own_of(lane);
      // A stream of samples goes on where this one ended.
      if (!shape_.plain && spec_.data.given()) save_whole(lane);
      chain.state_step = chain.step;
    } else {
      chain.rows = {};
      chain.own = {};
    }
    chain_[lane] = nullptr;
    if constexpr (width > 1)
      rest(lane);
    else if (status == Status::diverged)  // what is not finite stays in padding
      student_ = T(shape_, spec_.student, make_activation(spec_.activation));
  }

  // ---- stepping -----------------------------------------------------------------------------
  // One update of every lane.
  template <bool SumsLosses>
  LRFT_INLINE Stepped<Scalar> step() {
    if (varying_)
      for (int lane = 0; lane < width; ++lane)
        if (chain_[lane] != nullptr) set_rates(lane);
    if constexpr (S::replays)
      if (space_.steps_back(static_cast<std::int64_t>(step_[0])) == 0)
        block_own_ = student_.own_of(0);
    space_.draw(step_);
    const Stepped<Scalar> done = use_batch<SumsLosses>();
    health_ = done.health;
    for (int lane = 0; lane < width; ++lane) ++step_[lane];
    return done;
  }
  // A step that was cancelled has left no trace but in what was drawn.
  void undo() { space_.undo_draw(); }

 private:
  // All that a path needs to go on from here.
  void save_whole(int lane) {
    Chain& chain = *chain_[lane];
    chain.rows = space_.rows_of(lane);
    chain.own = student_.own_of(lane);
    const std::vector<double> more = optimiser_.remembered(lane, student_);
    chain.own.insert(chain.own.end(), more.begin(), more.end());
  }
  // A lane without a chain stays at a finite state where nothing happens, so that it
  // does not interrupt the others.
  void rest(int lane) {
    set_runs(lane, false);
    space_.set_rows(lane, idle_rows_);
    student_.set_own(lane, idle_own_);
    optimiser_.remember(lane, student_, {});
    optimiser_.rest(lane);
  }
  void set_runs(int lane, bool runs) {
    if constexpr (width > 1) space_.set_runs(lane, runs);
  }
  template <bool SumsLosses>
  LRFT_INLINE Stepped<Scalar> use_batch() {
    if constexpr (Reusable<S>)
      if (shape_.uses > 1)
        return reuse_.template step<SumsLosses>(space_, student_, loss_, optimiser_);
    return lrft::step<SumsLosses>(space_, student_, loss_, optimiser_);
  }
  void set_rates(int lane) {
    optimiser_.set(lane, training(*chain_[lane]), static_cast<std::int64_t>(step_[lane]));
  }

  const RunSpec& spec_;
  const Shape& shape_;
  const Population& population_;
  TaskGrams grams_;
  std::function<Chain*()> next_;
  Chain* handed_ = nullptr;  // from the queue, and not yet started
  S space_;
  T student_;
  L loss_;
  O optimiser_;
  Reuse<Layout> reuse_;
  Chain* chain_[width] = {};
  bool used_[width] = {};
  bool varying_ = false;
  alignas(64) std::uint64_t step_[lanes] = {};
  Scalar health_ = Layout::constant(0);
  std::vector<double> idle_rows_, idle_own_;  // of lanes without a chain
  std::vector<double> block_own_;             // own parameters where the space can go on from
};

}  // namespace lrft
