// The loss of one sample, as a function of the student's output f and the label y.
#pragma once

#include <concepts>
#include <limits>

#include "activation/sigmoid.hpp"
#include "activation/softplus.hpp"
#include "lrft/run.hpp"
#include "simd/layout.hpp"

namespace lrft {

// Its derivative in f is factor slope(f, y).  The factor is apart because it costs nothing in the
// learning rate.
template <class L, class Layout>
concept Loss = std::default_initializable<L> &&
               requires(L& loss, const L& seen, int lane, const TrainingData& plan,
                        const typename Layout::Scalar& f, const typename Layout::Scalar& y) {
                 loss.set(lane, plan);  // that of the lane
                 { L::factor } -> std::convertible_to<double>;
                 { seen.value(f, y) } -> std::convertible_to<typename Layout::Scalar>;
                 { seen.slope(f, y) } -> std::convertible_to<typename Layout::Scalar>;
               };

// (f - y)^2: it sees the difference alone, which a student beside its teacher finds as one sum.
template <class Layout>
struct Squared {
  using Scalar = typename Layout::Scalar;
  static constexpr double factor = 2;
  void set(int, const TrainingData&) {}
  static LRFT_INLINE Scalar value(const Scalar& f, const Scalar& y) { return (f - y) * (f - y); }
  static LRFT_INLINE Scalar slope(const Scalar& f, const Scalar& y) { return f - y; }
};

// Whichever the plan of a lane asks for:
//   squared      (f - y)^2
//   correlation  -2 f y               what is left of it without f^2
//   huber        (f - y)^2 up to |f - y| = delta, from there on 2 delta |f - y| - delta^2
//   logistic     log(1 + e^(-y f))    of labels +-1
template <class Layout>
class AnyLoss {
 public:
  using Scalar = typename Layout::Scalar;
  static constexpr double factor = 1;

  void set(int lane, const TrainingData& plan) {
    const LossData& loss = plan.loss;
    const bool bent = loss.kind == LossData::Kind::huber;
    put(limit_, lane, bent ? loss.delta : std::numeric_limits<double>::infinity());
    put(correlation_, lane, loss.kind == LossData::Kind::correlation ? 1 : 0);
    put(logistic_, lane, loss.kind == LossData::Kind::logistic ? 1 : 0);
    squared_ = !any(limit_ < std::numeric_limits<double>::infinity()) && !any(correlation_ > 0.0) &&
               !any(logistic_ > 0.0);
  }
  Scalar value(const Scalar& f, const Scalar& y) const {
    const Pack F = Layout::spread(f), Y = Layout::spread(y);
    const Pack error = abs(F - Y), near = min(error, limit_);
    Pack value = near * (error + (error - near));
    if (any(correlation_ > 0.0)) value = select(correlation_ > 0.0, -2.0 * (F * Y), value);
    if (any(logistic_ > 0.0))
      value = select(logistic_ > 0.0, Softplus::at({}, -(F * Y)).value, value);
    return Layout::entry(&value, 0);
  }
  LRFT_INLINE Scalar slope(const Scalar& f, const Scalar& y) const {
    return squared_ ? 2.0 * (f - y) : slope_of_any(f, y);
  }

 private:
  Scalar slope_of_any(const Scalar& f, const Scalar& y) const {
    const Pack F = Layout::spread(f), Y = Layout::spread(y);
    const Pack error = select(correlation_ > 0.0, -Y, F - Y);
    Pack slope = 2.0 * max(-limit_, min(error, limit_));
    if (any(logistic_ > 0.0))
      slope = select(logistic_ > 0.0, -(Y * Sigmoid::at({}, -(F * Y)).value), slope);
    return Layout::entry(&slope, 0);
  }

  // One replica is the first entry.
  Pack limit_ = broadcast(std::numeric_limits<double>::infinity());
  Pack correlation_ = broadcast(0.0), logistic_ = broadcast(0.0);  // 1 where it is
  bool squared_ = true;  // in all lanes, as it mostly is where the optimiser makes a run general
};

}  // namespace lrft
