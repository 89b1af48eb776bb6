#include "train/held_out.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/aligned.hpp"
#include "simd/layout.hpp"
#include "space/dataset.hpp"
#include "train/observe.hpp"

namespace lrft {

double mean_loss(const std::vector<double>& A, int n, const TaskData& task, const Samples& samples,
                 const std::function<double(const Input<double>& x, double y)>& loss) {
  constexpr int width = 32;
  constexpr Index tile = 128;
  const int k = task.k, packs = NeuronLanes::packs(k);
  const auto d = static_cast<Index>(task.d);
  const Eigen::Map<const Matrix> W(task.W, k, d), rows_A(A.data(), n, d);
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
      add_product(W.middleCols(begin, depth), X.topRows(depth), Y.topRows(k));
      add_product(rows_A.middleCols(begin, depth), X.topRows(depth), Y.bottomRows(n));
    }
    for (int q = 0; q < count; ++q) {
      for (int i = 0; i < k; ++i) features.doubles()[i] = Y(i, q);
      for (int j = 0; j < n; ++j) rows[static_cast<std::size_t>(j)] = Y(k + j, q);
      sum += loss({features.data(), rows.data()}, samples.y[first + q]);
    }
  }
  return samples.rows > 0 ? sum / static_cast<double>(samples.rows)
                          : std::numeric_limits<double>::quiet_NaN();
}

double take_error(Chain& chain) {
  const double error = chain.seen > 0 ? chain.squared / static_cast<double>(chain.seen)
                                      : std::numeric_limits<double>::quiet_NaN();
  chain.squared = 0;
  chain.seen = 0;
  return error;
}

bool least_yet(double error, const Chain& chain) {
  const auto& before = chain.records[Place::validation_loss];
  return std::all_of(before.begin(), before.end(), [&](double one) { return error < one; });
}

Status after_record(const TrainingData& plan, const Samples& held_out, const Chain& chain) {
  if (held_out.rows == 0) return Status::running;
  const std::vector<double>& errors = chain.records[Place::validation_loss];
  if (!std::isfinite(errors.back())) return Status::diverged;
  if (errors.back() <= plan.stop_loss) return Status::converged;
  const auto least = std::min_element(errors.begin(), errors.end());
  const bool patient = plan.patience == 0 || errors.end() - least <= plan.patience;
  return patient ? Status::running : Status::converged;
}

}  // namespace lrft
