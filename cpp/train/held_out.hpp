// What is written down about a student that is fitted to given samples.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/aligned.hpp"
#include "simd/layout.hpp"
#include "space/dataset.hpp"
#include "train/observe.hpp"

namespace lrft {

// Mean loss over `samples`, NaN without any, of the student with rows A (n, d).  Its own blocks, so
// that it does not depend on how the student is trained.
template <class Student, class Loss>
double mean_loss(Student& student, const Loss& loss, const Matrix& A, const TaskData& task,
                 const Samples& samples) {
  constexpr int width = 32;
  constexpr Index tile = 128;
  const int k = task.k, n = static_cast<int>(A.rows()), packs = NeuronLanes::packs(k);
  const Index d = A.cols();
  const Eigen::Map<const Matrix> W(task.W, k, d);
  Matrix Y(k + n, width), X(tile, width);
  AlignedPacks features(packs);
  std::vector<double> rows(static_cast<std::size_t>(n));
  double sum = 0;
  for (std::int64_t first = 0; first < samples.rows; first += width) {
    const int count = static_cast<int>(std::min<std::int64_t>(width, samples.rows - first));
    std::int64_t which[width];
    for (int q = 0; q < width; ++q) which[q] = q < count ? first + q : -1;
    Y.setZero();
    for (Index begin = 0; begin < d; begin += tile) {
      const Index depth = std::min(tile, d - begin);
      Poll::spend(depth * width * (k + n + 8) / 8);
      gather(samples, which, width, begin, depth, X.data());
      Y.topRows(k).noalias() += W.middleCols(begin, depth) * X.topRows(depth);
      Y.bottomRows(n).noalias() += A.middleCols(begin, depth) * X.topRows(depth);
    }
    for (int q = 0; q < count; ++q) {
      for (int i = 0; i < k; ++i) features.doubles()[i] = Y(i, q);
      for (int j = 0; j < n; ++j) rows[static_cast<std::size_t>(j)] = Y(k + j, q);
      sum += loss.value(student.forward(Input<double>{features.data(), rows.data()}),
                        samples.y[first + q]);
    }
  }
  return samples.rows > 0 ? sum / static_cast<double>(samples.rows)
                          : std::numeric_limits<double>::quiet_NaN();
}

// Mean loss of the samples since the last record, each before its update; a new mean
// begins.
inline double take_error(Chain& chain) {
  const double error = chain.seen > 0 ? chain.squared / static_cast<double>(chain.seen)
                                      : std::numeric_limits<double>::quiet_NaN();
  chain.squared = 0;
  chain.seen = 0;
  return error;
}
// Less than at all records before?
inline bool least_yet(double error, const Chain& chain) {
  const auto& before = chain.records[Place::validation_loss];
  return std::all_of(before.begin(), before.end(), [&](double one) { return error < one; });
}

// What the last record means for the chain.
inline Status after_record(const TrainingData& plan, const Samples& held_out, const Chain& chain) {
  if (held_out.rows == 0) return Status::running;
  const std::vector<double>& errors = chain.records[Place::validation_loss];
  if (!std::isfinite(errors.back())) return Status::diverged;
  if (errors.back() <= plan.stop_loss) return Status::converged;
  const auto least = std::min_element(errors.begin(), errors.end());
  const bool patient = plan.patience == 0 || errors.end() - least <= plan.patience;
  return patient ? Status::running : Status::converged;
}

}  // namespace lrft
