#include "lrft/run.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <numbers>

#include "simd/floats.hpp"
#include "space/matrix.hpp"
#include "train/groups.hpp"
#include "train/observe.hpp"
#include "train/threads.hpp"

namespace lrft {

double Schedule::at(std::int64_t step) const {
  if (step >= warm_up) return after_warm_up(step - warm_up);
  return static_cast<double>(step + 1) / static_cast<double>(warm_up) * after_warm_up(0);
}

double Schedule::after_warm_up(std::int64_t step) const {
  const double t = static_cast<double>(step) / scale;
  switch (kind) {
    case Kind::constant:
      return rate;
    case Kind::inverse_time:
      return rate / (1 + t);
    case Kind::step:
      return rate * std::pow(factor, std::floor(t));
    case Kind::cosine: {
      if (t >= 1) return final;
      const double c = std::cos(std::numbers::pi / 2 * t);
      return final + (rate - final) * c * c;
    }
    case Kind::array:
      return values[std::min(static_cast<std::size_t>(step), values.size() - 1)];
  }
  return rate;
}

namespace {

// Chains in a queue, one group of lanes a thread.
class Chains final : public Run {
 public:
  Chains(const RunSpec& spec, const Groups& groups)
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
    const int useful = (static_cast<int>(chains_.size()) + groups.width - 1) / groups.width;
    for (int i = 0; i < std::max(1, std::min(spec.threads, useful)); ++i)
      groups_.push_back(groups.make(spec_, shape_, population_, next));
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
  std::vector<std::unique_ptr<AnyGroup>> groups_;
};

Groups groups_for(const RunSpec& spec) {
  // A run takes one step, so that the bits of a replica do not depend on its company.
  const bool plain = spec.plain();
  if (spec.data.given()) return (plain ? groups_dataset : groups_dataset_general)(spec);
  if (spec.ambient) return (plain ? groups_ambient : groups_ambient_general)(spec);
  return (plain ? groups_reduced : groups_reduced_general)(spec);
}

}  // namespace

std::unique_ptr<Run> make_run(const RunSpec& spec) {
  return std::make_unique<Chains>(spec, groups_for(spec));
}

}  // namespace lrft
