// The trainer: draw, forward, gradient, update, and what happens in between.
//
// A group is one space with one student: eight replicas in lanes (reduced), or one
// (ambient).  Each lane has its own task, its own clock and its own plan of records,
// so a lane that ends takes the next chain from the queue at once.  The group never
// sees d.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>

#include "activation/activation.hpp"
#include "random/address.hpp"
#include "random/fill.hpp"
#include "train/held_out.hpp"
#include "train/observe.hpp"
#include "train/overlap.hpp"
#include "train/subspace.hpp"

namespace lrft {

template <class Space, class Student>
class Group {
 public:
  using Layout = typename Space::Layout;
  using Scalar = typename Space::Scalar;
  static constexpr int width = Layout::replicas;
  // Labels are given: there is no teacher, and so no overlap and no exact loss.
  static constexpr bool labelled = requires(const Space& space) { space.labels(); };

  // `next` hands out the next chain, or null when there are no more.
  Group(const RunSpec& spec, const Shape& shape, const Population& population,
        std::function<Chain*()> next)
      : spec_(spec),
        shape_(shape),
        population_(population),
        next_(std::move(next)),
        random_(spec.seed),
        space_(shape, spec.seed),
        student_(shape, spec.student, make_activation(spec.activation)),
        noise_(static_cast<std::size_t>(shape.batch), Layout::constant(0)),
        subspace_(shape) {
    if constexpr (labelled) space_.set_data(spec.data, spec.trainings.front().steps);
  }

  // Works until `poll` says stop; false when there is nothing left to do.  Throws Cancelled out
  // of what takes long, which is then as if it had not begun.
  bool work(Poll& poll) {
    for (Chain* chain : chain_)
      if (chain != nullptr) chain->last = {};  // soon a step behind
    for (;;) {
      report();  // what was cut short
      if (!fill_lanes()) return false;
      if (std::find(due_, due_ + width, true) != due_ + width) continue;
      run_to_event(poll);
      if (poll.look()) return true;
    }
  }

  // Brings the students of the running lanes into their chains.
  void save() {
    for (int lane = 0; lane < width; ++lane)
      if (chain_[lane] != nullptr) save(lane);
  }

  // Looks at the students of the running lanes.
  void observe() {
    if constexpr (!labelled)
      for (int lane = 0; lane < width; ++lane)
        if (chain_[lane] != nullptr) {
          chain_[lane]->last_overlap = followed(lane);  // steps may have been done since it was
          chain_[lane]->last = observe(lane);
        }
  }

  std::int64_t steps_done() const { return steps_done_; }

 private:
  // ---- lanes ------------------------------------------------------------------------
  bool fill_lanes() {
    bool some = false;
    for (int lane = 0; lane < width; ++lane) {
      while (chain_[lane] == nullptr) {
        if (handed_ == nullptr) handed_ = next_();
        if (handed_ == nullptr) break;
        begin(lane, *handed_);
        handed_ = nullptr;
      }
      some = some || chain_[lane] != nullptr;
    }
    return some;
  }
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

  // The own parameters at step 0.
  std::vector<double> start_own(const Chain& chain) const {
    return initial_own(shape_, initial(chain), spec_.seed, chain.replica);
  }
  // Starts the chain in the lane.  One whose start is left waits again.
  void begin(int lane, Chain& chain) {
    const Status status = chain.status;
    try {
      start(lane, chain);
    } catch (const Cancelled&) {
      chain.status = status;
      chain_[lane] = nullptr;
      throw;
    }
  }
  void start(int lane, Chain& chain) {
    const bool fresh = chain.status == Status::waiting;
    if constexpr (width == 1)
      if (chain.state_step % space_.block_steps() != 0)
        throw std::invalid_argument("state_step must be the start of a block of inputs");
    // Lanes that were never used do harmless work on a copy of this task.
    for (int other = 0; other < width; ++other)
      if (other == lane || !used_[other]) {
        space_.set_task(other, task(chain), chain.replica);
        student_.set_task(other, task(chain), initial(chain));
        if (shape_.follow) subspace_.set_task(other, task(chain));
      }
    used_[lane] = true;
    if (fresh) {
      initialise(space_, lane, shape_, spec_, initial(chain), task(chain), population_, chain);
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
    chain_[lane] = &chain;
    put(error_, lane, 0);
    chain.last = {};
    step_[lane] = static_cast<std::uint64_t>(chain.state_step);
    noisy_ = noisy_ || task(chain).noise > 0;
    varying_ = varying_ || training(chain).lr.kind != Schedule::Kind::constant ||
               training(chain).lr_own.kind != Schedule::Kind::constant;
    set_rates(lane);
    // Replay to where the chain was saved: same bits, nothing observed twice.
    if constexpr (width == 1)
      while (static_cast<std::int64_t>(step_[lane]) < chain.step) {
        one_step();
        Poll::spend(shape_.units);
      }
    if (fresh) {
      overlap_ = space_.overlap();
      chain.last_overlap = followed(lane);
      arrived(lane);
    } else {
      // It may have been left before all was said of its last step; nothing is said twice.
      set_next_event(lane);
      overlap_ = space_.overlap();
      put(error_, lane, 0);
      due_[lane] = true;
      looked_ = false;
    }
  }
  // A lane without a chain stays at a finite state where nothing happens, so that it
  // does not interrupt the others.
  void rest(int lane) {
    space_.set_rows(lane, idle_rows_);
    student_.set_own(lane, idle_own_);
    put(lr_, lane, 0);
    put(lr_own_, lane, 0);
    limit_[lane] = spec_.student.network() ? std::numeric_limits<double>::infinity() : 2;
  }
  void save(int lane) {
    Chain& chain = *chain_[lane];
    chain.rows = space_.rows_of(lane);
    chain.own = student_.own_of(lane);
    chain.state_step = chain.step;
    if constexpr (width == 1) {
      // Inside a block the space holds the rows at its start.
      const std::int64_t inside = chain.step % space_.block_steps();
      if (inside > 0) chain.own = block_own_;
      chain.state_step -= inside;
    }
    if (labelled && !spec_.keep_best) keep(chain);
  }
  // The student now is the one that is handed back.
  void keep(Chain& chain) {
    if constexpr (labelled) keep(chain, space_.rows_now());
  }
  void keep(Chain& chain, std::vector<double> rows) {
    if constexpr (labelled) {
      chain.kept_rows = std::move(rows);
      chain.kept_own = student_.own_of(0);
      chain.kept_step = chain.step;
    }
  }
  void finish(int lane, Status status) {
    const Poll::Pause whole;  // the rows of a long block are worked out here
    Chain& chain = *chain_[lane];
    chain.status = status;
    if (labelled && !spec_.keep_best) keep(chain);
    if (spec_.keep_state) {
      if constexpr (width == 1)
        chain.rows = space_.rows_now();
      else
        chain.rows = space_.rows_of(lane);
      chain.own = student_.own_of(lane);
      chain.state_step = chain.step;
    } else {
      chain.rows = {};
      chain.own = {};
    }
    chain_[lane] = nullptr;
    if constexpr (width > 1)
      rest(lane);
    else if (status == Status::diverged)  // what is not finite stays in padding
      student_ = Student(shape_, spec_.student, make_activation(spec_.activation));
  }

  // ---- stepping -----------------------------------------------------------------------
  // Steps until a lane has something to say, or until `poll` says stop.
  void run_to_event(Poll& poll) {
    std::int64_t run = std::int64_t{1} << 20;
    for (int lane = 0; lane < width; ++lane)
      if (chain_[lane] != nullptr)
        run = std::min(run, next_record(*chain_[lane]) - chain_[lane]->step);
    std::int64_t done = 0;
    try {
      while (done < run) {
        one_step();
        ++done;
        if constexpr (labelled) {
          chain_[0]->squared += student_.squared_error();
          chain_[0]->seen += space_.inputs();
        }
        looked_ = false;
        const bool some = event();
        looked_ = true;
        if (some || poll.stop(shape_.units)) break;
      }
    } catch (const Cancelled&) {
      space_.undo_draw();
      arrive(done);
      throw;
    }
    arrive(done);
    report();
  }
  // The clocks of all lanes go on; what is to be said of them is due.
  void arrive(std::int64_t done) {
    for (int lane = 0; lane < width; ++lane)
      if (chain_[lane] != nullptr) {
        chain_[lane]->step += done;
        steps_done_ += done;
        if (done > 0 && diverged(lane))
          finish(lane, Status::diverged);
        else
          due_[lane] = done > 0 || next_record(*chain_[lane]) == chain_[lane]->step;
      }
  }
  // One update of every lane.
  void one_step() {
    if (varying_)
      for (int lane = 0; lane < width; ++lane) set_rates(lane);
    if constexpr (!labelled)
      if (noisy_) draw_noise();
    if constexpr (width == 1) {
      const auto t = static_cast<std::int64_t>(step_[0]);
      if (t % space_.block_steps() == 0) block_own_ = student_.own_of(0);
      space_.draw(t);
    } else {
      space_.draw(load_bits(step_));
    }
    if constexpr (labelled) {
      std::copy_n(space_.labels(), space_.inputs(), noise_.begin());
      // The student takes means over whole batches; the last of a pass may be smaller.
      const double share = static_cast<double>(shape_.batch) / space_.inputs();
      error_ = student_.step(space_, noise_.data(), share * lr_, share * lr_own_);
    } else {
      error_ = student_.step(space_, noise_.data(), lr_, lr_own_);
    }
    overlap_ = space_.overlap();
    for (int lane = 0; lane < width; ++lane) ++step_[lane];
  }
  void set_rates(int lane) {
    if (chain_[lane] == nullptr) return;
    const TrainingData& plan = training(*chain_[lane]);
    const auto t = static_cast<std::int64_t>(step_[lane]);
    put(lr_, lane, plan.lr.at(t));
    put(lr_own_, lane, plan.lr_own.at(t));
  }
  void draw_noise() {
    std::uint64_t replica[lanes], step[lanes];
    double scale[lanes], z[lanes];
    for (int i = 0; i < lanes; ++i) {
      const Chain* chain = chain_[i % width];
      replica[i] = chain == nullptr ? 0 : chain->replica;
      scale[i] = chain == nullptr ? 0 : task(*chain).noise;
      step[i] = step_[i % width];
    }
    Address at(broadcast_bits(0), load_bits(step), load_bits(replica), Purpose::noise);
    for (Scalar& noise : noise_) {
      store(z, load(scale) * normals_at(at, random_).first);
      for (int lane = 0; lane < width; ++lane) put(noise, lane, z[lane]);
      at = slots_on(at, 1);
    }
  }

  // ---- observing ------------------------------------------------------------------------
  // The number whose size is compared with the thresholds: <u-hat, u>; for LoRA the
  // smallest singular value between the row spaces of A and u; of a full network, and
  // without a teacher, 0.
  double followed(int lane) {
    if (spec_.student.spherical()) return get(overlap_, lane);
    if (spec_.student.network() || labelled) return 0;
    const Chain& chain = *chain_[lane];
    return space_.statistics(lane, task(chain)).cosines.back();
  }
  // The student of a lane, at the step that `followed` last saw.
  Observation observe(int lane) {
    const Chain& chain = *chain_[lane];
    return lrft::observe(space_.statistics(lane, task(chain)), shape_, task(chain), initial(chain),
                         population_, student_.own_of(lane), start_own(chain), chain.last_overlap);
  }
  // Has a lane crossed its next threshold, or diverged?
  bool event() {
    if constexpr (Student::follows)
      if (shape_.follow) {
        // A little early, so that what decides is always the exact value.
        constexpr double early = 1 - 1e-7;
        if constexpr (width == 1)
          above_ = subspace_.above(space_, early * limit_[0]);
        else
          above_ = subspace_.above(space_, early * load(limit_));
        if constexpr (width == 1)
          return event(0);
        else
          return any(~((above_ < 0.0) & (error_ <= diverged_above)));
      }
    if constexpr (width == 1)
      return event(0);
    else
      return any(~((abs(overlap_) < load(limit_)) & (error_ <= diverged_above)));
  }
  // The same of one lane, at the step that event() last saw.
  bool event(int lane) const {
    bool nothing = !diverged(lane);
    if (Student::follows && shape_.follow)
      nothing = nothing && get(above_, lane) < 0;
    else
      nothing = nothing && std::abs(get(overlap_, lane)) < limit_[lane];
    return !nothing;
  }
  bool diverged(int lane) const { return !(get(error_, lane) <= diverged_above); }
  // A lane is asked only where it has an event or a record of its own: where the clock
  // or a neighbour ended the stretch is no part of its path.
  void report() {
    if (!looked_) {
      (void)event();
      looked_ = true;
    }
    for (int lane = 0; lane < width; ++lane)
      if (due_[lane]) {
        Chain& chain = *chain_[lane];
        chain.last_overlap = followed(lane);
        if (event(lane) || next_record(chain) == chain.step) arrived(lane);
        due_[lane] = false;
      }
  }
  // The lane is at a new step: note hits, record, stop.
  void arrived(int lane) {
    Chain& chain = *chain_[lane];
    const TrainingData& plan = training(chain);
    const double size = std::abs(chain.last_overlap);
    for (std::size_t i = 0; i < plan.thresholds.size(); ++i)
      if (chain.hits[i] < 0 && size >= plan.thresholds[i]) chain.hits[i] = chain.step;
    Status status = size >= plan.stop_at ? Status::converged : Status::running;
    if constexpr (labelled) {
      if (recorded(chain)) note_errors(chain, status);
    } else {
      // The start and what ends are looked at whether or not a record is due, at most once: a loss
      // that is not finite is no start and no result, and what a record sees stops nothing else.
      const bool due = next_record(chain) == chain.step;
      const bool edge = chain.step == 0 || chain.step == plan.steps;
      if (due || edge || status != Status::running) {
        const Observation seen = observe(lane);
        if (due) record(seen, plan, chain);
        if (due && seen.loss <= plan.stop_loss) status = Status::converged;
        const bool ends = status != Status::running || chain.step == plan.steps;
        if ((edge || ends) && !finite(seen))
          status = Status::diverged;
        else if (ends)
          chain.last = seen;
      }
    }
    if (status == Status::running && chain.step == plan.steps) status = Status::finished;
    if (status != Status::running)
      finish(lane, status);
    else
      set_next_event(lane);
  }
  void note_errors(Chain& chain, Status& status) {
    if constexpr (labelled) {
      std::vector<double> rows = space_.rows_now();
      const double error = mean_squared_error(
          student_,
          Eigen::Map<const Matrix>(rows.data(), shape_.n, static_cast<Index>(task(chain).d)),
          task(chain), spec_.data.held_out);
      if (record_errors(error, chain) && spec_.keep_best) keep(chain, std::move(rows));
      status = after_record(training(chain), spec_.data.held_out, chain);
    }
  }
  // Is the state at this step recorded?
  bool recorded(const Chain& chain) const {
    const TrainingData& plan = training(chain);
    const std::size_t done = chain.loss.size();
    return done < plan.record.size() && plan.record[done] == chain.step;
  }
  void set_next_event(int lane) {
    const Chain& chain = *chain_[lane];
    const TrainingData& plan = training(chain);
    limit_[lane] = plan.stop_at;
    if (spec_.student.network() || labelled) {
      limit_[lane] = std::numeric_limits<double>::infinity();
      return;
    }
    for (std::size_t i = 0; i < plan.thresholds.size(); ++i)
      if (chain.hits[i] < 0) {
        limit_[lane] = std::min(limit_[lane], plan.thresholds[i]);
        break;
      }
  }
  // The step of the next record, or the last step.
  std::int64_t next_record(const Chain& chain) const {
    const TrainingData& plan = training(chain);
    const std::size_t done = chain.loss.size();
    return done < plan.record.size() ? plan.record[done] : plan.steps;
  }

  static double get(const Pack& p, int lane) { return reinterpret_cast<const double*>(&p)[lane]; }
  static double get(double p, int) { return p; }
  static void put(Pack& p, int lane, double x) { reinterpret_cast<double*>(&p)[lane] = x; }
  static void put(double& p, int, double x) { p = x; }

  const RunSpec& spec_;
  Shape shape_;
  const Population& population_;
  std::function<Chain*()> next_;
  Philox random_;
  Space space_;
  Student student_;
  Chain* chain_[width] = {};
  Chain* handed_ = nullptr;  // from the queue, and not yet started
  bool used_[width] = {};
  bool due_[width] = {};  // the chain has come to a step of which nothing is said yet
  bool looked_ = true;    // event() has seen the last step
  alignas(64) std::uint64_t step_[lanes] = {};
  alignas(64) double limit_[lanes] = {};  // the |overlap| at which something happens
  Scalar lr_ = Layout::constant(0), lr_own_ = Layout::constant(0);
  Scalar overlap_ = Layout::constant(0), error_ = Layout::constant(0);
  Scalar above_ = Layout::constant(0);  // of event(), where subspaces are followed
  std::vector<Scalar> noise_;
  bool noisy_ = false, varying_ = false;
  std::vector<double> idle_rows_, idle_own_;  // of lanes without a chain
  std::vector<double> block_own_;             // ambient: own parameters at the block's start
  std::int64_t steps_done_ = 0;
  Subspace<Layout> subspace_;
};

}  // namespace lrft
