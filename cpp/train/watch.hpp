// What is followed between records and written down at them.
//
// Beside a teacher, the overlap with it at every step, and the exact loss; beside given labels, the
// errors.  A watch has
//   set_task(lane, task), rest(lane)  what is in the lane
//   aim(lane)       the next threshold of its chain
//   stepped(done)   after each step
//   look()          has any lane an event?  Throws Cancelled where that takes long
//   event(lane)     the same of one lane, at the step that look() last saw
//   follow(lane)    brings what is followed into its chain
//   note(lane)      at a step of its own: hits and records; what they mean for the chain
//   keep(lane)      the student now is the one that is handed back
//   observe(lane)   looks at it where it stands
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "train/held_out.hpp"
#include "train/lanes.hpp"
#include "train/subspace.hpp"

namespace lrft {

// Followed is <u-hat, u>; for LoRA the smallest singular value between the row spaces of A and u;
// of a full network nothing.
template <class Lanes>
class OverlapWatch {
 public:
  using Layout = typename Lanes::Layout;
  static constexpr bool sums_losses = false;
  using Scalar = typename Layout::Scalar;

  OverlapWatch(const RunSpec& spec, const Shape& shape, const Population& population, Lanes& from)
      : spec_(spec), shape_(shape), population_(population), lanes_(from), subspace_(shape) {
    std::fill(std::begin(limit_), std::end(limit_), never);
  }

  void set_task(int lane, const TaskData& task) {
    if (shape_.follow) subspace_.set_task(lane, task);
  }
  void rest(int lane) { limit_[lane] = never; }
  void aim(int lane) {
    if (spec_.student.facts().network) return;
    const Chain& chain = *lanes_.chain(lane);
    const TrainingData& plan = lanes_.training(chain);
    limit_[lane] = plan.stop_at;
    for (std::size_t i = 0; i < plan.thresholds.size(); ++i)
      if (chain.hits[i] < 0) {
        limit_[lane] = std::min(limit_[lane], plan.thresholds[i]);
        break;
      }
  }
  LRFT_INLINE void stepped(const Stepped<Scalar>&) {}
  LRFT_INLINE bool look() {
    const Scalar limit = Layout::load(limit_);
    overlap_ = lanes_.space().overlap();
    if (subspaces()) {
      // A little early, so that what decides is always the exact value.
      above_ = subspace_.above(lanes_.space(), (1 - 1e-7) * limit);
      return !Layout::all((above_ < 0.0) & (lanes_.health() <= diverged_above));
    }
    return !Layout::all((abs(overlap_) < limit) & (lanes_.health() <= diverged_above));
  }
  bool event(int lane) const {
    const bool below =
        subspaces() ? get(above_, lane) < 0 : std::abs(get(overlap_, lane)) < limit_[lane];
    return !below || lanes_.diverged(lane);
  }
  void follow(int lane) { lanes_.chain(lane)->last_overlap = followed(lane); }
  Status note(int lane) {
    Chain& chain = *lanes_.chain(lane);
    const TrainingData& plan = lanes_.training(chain);
    const double size = std::abs(chain.last_overlap);
    for (std::size_t i = 0; i < plan.thresholds.size(); ++i)
      if (chain.hits[i] < 0 && size >= plan.thresholds[i]) chain.hits[i] = chain.step;
    Status status = size >= plan.stop_at ? Status::converged : Status::running;
    // The start and what ends are looked at whether or not a record is due, at most once: a loss
    // that is not finite is no start and no result, and what a record sees stops nothing else.
    const bool due = lanes_.next_record(chain) == chain.step;
    const bool edge = chain.step == 0 || chain.step == plan.steps;
    if (!due && !edge && status == Status::running) return status;
    const Records seen = seen_of(lane);
    if (due) record(seen, plan, chain);
    if (due && seen[Place::loss].front() <= plan.stop_loss) status = Status::converged;
    const bool ends = status != Status::running || chain.step == plan.steps;
    if ((edge || ends) && !finite(seen))
      status = Status::diverged;
    else if (ends)
      chain.last = seen;
    return status;
  }
  void keep(int) {}
  void observe(int lane) {
    follow(lane);  // steps may have been done since it was
    lanes_.chain(lane)->last = seen_of(lane);
  }

 private:
  static constexpr double never = std::numeric_limits<double>::infinity();

  bool subspaces() const { return Lanes::StudentType::follows && shape_.follow; }
  double followed(int lane) {
    const StudentFacts facts = spec_.student.facts();
    if (facts.network) return 0;
    if (facts.single) return get(overlap_, lane);
    return lanes_.space().statistics(lane, lanes_.task(*lanes_.chain(lane))).cosines.back();
  }
  // The student of a lane, at the step that `follow` last saw.
  Records seen_of(int lane) {
    const Chain& chain = *lanes_.chain(lane);
    const TaskData& task = lanes_.task(chain);
    Seen seen{shape_,
              task,
              &lanes_.gram(chain),
              lanes_.initial(chain),
              population_,
              spec_.link_activation,
              lanes_.space().statistics(lane, task),
              lanes_.student().own_of(lane),
              lanes_.start_own(chain),
              chain.last_overlap};
    const TrainingData& plan = lanes_.training(chain);
    if (plan.loss.kind != LossData::Kind::squared)
      seen.training_loss = training_loss(seen, spec_, plan, chain);
    if constexpr (Remembering<typename Lanes::SpaceType>)
      if (shape_.sizes.average) {
        const double share = share_of(lanes_.training(chain).optimiser, chain.step);
        seen.averaged = lanes_.space().statistics(lane, task, share);
        seen.averaged_own = lanes_.averaged_own(lane, share);
      }
    return lrft::observe(seen);
  }

  const RunSpec& spec_;
  const Shape& shape_;
  const Population& population_;
  Lanes& lanes_;
  Subspace<Layout> subspace_;
  alignas(64) double limit_[lanes];  // the |overlap| at which something happens
  Scalar overlap_ = Layout::constant(0);
  Scalar above_ = Layout::constant(0);  // not negative where subspaces may have met the limit
};

// Followed is nothing; noted are the losses of the samples passed, and of those held out.
template <class Lanes>
class ErrorWatch {
 public:
  static constexpr bool sums_losses = true;  // of the batches, before their updates
  using Scalar = typename Lanes::Scalar;

  ErrorWatch(const RunSpec& spec, const Shape& shape, const Population& population, Lanes& from)
      : spec_(spec), shape_(shape), population_(population), lanes_(from) {}

  void set_task(int, const TaskData&) {}
  void rest(int) {}
  void aim(int) {}
  void stepped(const Stepped<Scalar>& done) {
    lanes_.chain(0)->squared += done.loss;
    lanes_.chain(0)->seen += lanes_.space().inputs();
  }
  bool look() { return lanes_.diverged(0); }
  bool event(int lane) const { return lanes_.diverged(lane); }
  void follow(int lane) { lanes_.chain(lane)->last_overlap = 0; }
  Status note(int lane) {
    Chain& chain = *lanes_.chain(lane);
    const TrainingData& plan = lanes_.training(chain);
    if (!recorded(plan, chain)) return Status::running;
    const Samples& held_out = spec_.data.held_out;
    std::vector<double> rows = lanes_.space().rows_now(lane);
    const TaskData& task = lanes_.task(chain);
    const double error = held_out_error(rows, task);
    if (spec_.keep_best && least_yet(error, chain)) keep(lane, std::move(rows));
    Seen seen{shape_, task, nullptr, lanes_.initial(chain), population_, spec_.link_activation};
    seen.validation_loss = error;
    if constexpr (Remembering<typename Lanes::SpaceType>)
      if (shape_.sizes.average) seen.averaged_validation_loss = averaged_error(lane, chain);
    if (!plan.parameters.empty()) {
      seen.rows = lanes_.space().statistics(lane, task);
      seen.own = lanes_.student().own_of(lane);
    }
    seen.train_loss = take_error(chain);  // after all that may be left
    record(lrft::observe(seen), plan, chain);
    return after_record(plan, held_out, chain);
  }
  void keep(int lane) {
    if (!spec_.keep_best) keep(lane, lanes_.space().rows_now(lane));
  }
  void observe(int) {}

 private:
  double held_out_error(const std::vector<double>& rows, const TaskData& task) {
    return mean_loss(rows, shape_.n, task, spec_.data.held_out,
                     [this](const Input<double>& x, double y) {
                       return lanes_.loss().value(lanes_.student().forward(x), y);
                     });
  }
  // The student with its averages in the place of its parameters for as long as it takes.
  double averaged_error(int lane, const Chain& chain) {
    const double share = share_of(lanes_.training(chain).optimiser, chain.step);
    const std::vector<double> rows = lanes_.space().rows_now(lane, share),
                              own = lanes_.student().own_of(lane);
    struct Restored {  // the path goes on from its own, also where this is left
      Lanes& lanes;
      int lane;
      const std::vector<double>& own;
      ~Restored() { lanes.student().set_own(lane, own); }
    } const restored{lanes_, lane, own};
    lanes_.student().set_own(lane, lanes_.averaged_own(lane, share));
    return held_out_error(rows, lanes_.task(chain));
  }
  void keep(int lane, std::vector<double> rows) {
    Chain& chain = *lanes_.chain(lane);
    chain.kept_rows = std::move(rows);
    chain.kept_own = lanes_.student().own_of(lane);
    chain.kept_step = chain.step;
  }

  const RunSpec& spec_;
  const Shape& shape_;
  const Population& population_;
  Lanes& lanes_;
};

template <class Lanes>
using WatchOf =
    std::conditional_t<Lanes::SpaceType::labelled, ErrorWatch<Lanes>, OverlapWatch<Lanes>>;

}  // namespace lrft
