// A run: chains in a queue, one group of lanes a thread.
#pragma once

#include <atomic>
#include <exception>
#include <mutex>

#include "lrft/run.hpp"
#include "simd/floats.hpp"
#include "space/matrix.hpp"
#include "student/list.hpp"
#include "train/group.hpp"
#include "train/threads.hpp"

namespace lrft {

template <Space S, Student<S> T, Loss<typename S::Layout> L, Optimiser<typename S::Layout> O>
class RunOn final : public Run {
 public:
  explicit RunOn(const RunSpec& spec)
      : spec_(spec), shape_(shape_of(spec)), population_(spec.activation), chains_(spec.chains) {
    fix_cache_sizes();
    for (Chain& chain : chains_) prepare(spec_, chain);
    const auto next = [this]() -> Chain* {
      const std::lock_guard<std::mutex> lock(mutex_);
      while (queue_ < chains_.size()) {
        Chain& chain = chains_[queue_++];
        if (chain.status == Status::waiting || chain.status == Status::running) return &chain;
      }
      return nullptr;
    };
    // More groups than there is work for would only cost memory.
    const int width = Group<S, T, L, O>::width;
    const int useful = (static_cast<int>(chains_.size()) + width - 1) / width;
    for (int i = 0; i < std::max(1, std::min(spec.threads, useful)); ++i)
      groups_.push_back(std::make_unique<Group<S, T, L, O>>(spec_, shape_, population_, next));
  }

  bool advance(double seconds, const std::function<bool()>& interrupted) override {
    // No clock goes further than this many seconds.
    const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                             std::chrono::duration<double>(std::min(seconds, 1e9)));
    std::atomic<bool> cancel{false};
    std::atomic<int> working{static_cast<int>(groups_.size())}, unfinished{0};
    std::exception_ptr failure;
    std::mutex failure_mutex;
    // There may be fewer threads than asked for, so a thread takes groups until there are
    // none left.
    std::atomic<std::size_t> taken{0};
    const auto calling = std::this_thread::get_id();
    on_threads(static_cast<int>(groups_.size()), [&] {
      const PlainFloats plain;  // each thread has its own
      const bool asks = std::this_thread::get_id() == calling;
      Poll poll(cancel, asks ? &interrupted : nullptr, deadline);
      for (std::size_t i = taken++; i < groups_.size(); i = taken++) {
        try {
          if (groups_[i]->work(poll)) ++unfinished;
        } catch (const Cancelled&) {
          ++unfinished;
        } catch (...) {
          const std::lock_guard<std::mutex> lock(failure_mutex);
          failure = std::current_exception();
          cancel = true;
        }
        --working;
      }
      // The calling thread keeps asking while others are still at it.
      while (asks && working > 0 && !poll.cancelled()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        poll.look();
      }
    });
    if (failure) std::rethrow_exception(failure);
    return !cancel && unfinished == 0;
  }

  const std::vector<Chain>& chains() const override { return chains_; }
  std::int64_t steps_done() const override {
    std::int64_t sum = 0;
    for (const auto& group : groups_) sum += group->steps_done();
    return sum;
  }
  void save() override {
    for (auto& group : groups_) group->save();
  }
  void observe() override {
    for (auto& group : groups_) group->observe();
  }

 private:
  const RunSpec spec_;
  const Shape shape_;
  const Population population_;
  std::vector<Chain> chains_;
  std::mutex mutex_;
  std::size_t queue_ = 0;
  std::vector<std::unique_ptr<Group<S, T, L, O>>> groups_;
};

// A run of the plain step, which sees f - f* as one sum: for the squared error beside the teacher,
// and for that of labels that are given.
template <Space S, Student<S> T>
std::unique_ptr<Run> run_plain(const RunSpec& spec) {
  using Layout = typename S::Layout;
  return std::make_unique<RunOn<S, T, Squared<Layout>, Descent<Layout>>>(spec);
}
// The same of the student that the spec asks for.
template <Space S>
std::unique_ptr<Run> run_plain_in(const RunSpec& spec) {
  return with_student<typename S::Layout>(
      spec.student.kind, [&]<class T>(std::type_identity<T>) { return run_plain<S, T>(spec); });
}
// A run of the general step: whole labels, and all that a training may ask for, chosen while it
// runs; any optimiser in a space that is for it.
template <Space S>
std::unique_ptr<Run> run_general_in(const RunSpec& spec) {
  using Layout = typename S::Layout;
  static_assert(Reusable<S> || Remembering<S>, "the general step is for more than the plain one");
  using O = std::conditional_t<Remembering<S>, AnyOptimiser<Layout>, Descent<Layout>>;
  return with_student<Layout>(spec.student.kind,
                              [&]<class T>(std::type_identity<T>) -> std::unique_ptr<Run> {
                                return std::make_unique<RunOn<S, T, AnyLoss<Layout>, O>>(spec);
                              });
}

// The members of the family are compiled one file a space and step.
std::unique_ptr<Run> run_reduced(const RunSpec& spec);
std::unique_ptr<Run> run_ambient(const RunSpec& spec);
std::unique_ptr<Run> run_dataset(const RunSpec& spec);
std::unique_ptr<Run> run_reduced_general(const RunSpec& spec);
std::unique_ptr<Run> run_ambient_general(const RunSpec& spec);
std::unique_ptr<Run> run_dataset_general(const RunSpec& spec);
std::unique_ptr<Run> run_reduced_memory(const RunSpec& spec);
std::unique_ptr<Run> run_ambient_memory(const RunSpec& spec);
std::unique_ptr<Run> run_dataset_memory(const RunSpec& spec);

}  // namespace lrft
