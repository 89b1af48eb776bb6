#include "population/law.hpp"

#include <cstddef>

namespace lrft {
namespace {

std::size_t size(int n) { return static_cast<std::size_t>(n); }

// Adds sum_q factor_q (A v_q) (B v_q), of products (n, q) and (m, q) whose rows are `width` apart;
// q from `first` on.
void add(const std::vector<double>& factor, std::size_t first, const double* A, std::size_t n,
         const double* B, std::size_t m, std::size_t width, std::vector<double>& to) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < m; ++j)
      for (std::size_t q = first; q < factor.size(); ++q)
        to[i * m + j] += factor[q] * A[i * width + q] * B[j * width + q];
}

}  // namespace

std::vector<double> along_law(const TaskData& task, const std::vector<double>& rows) {
  const std::size_t q = size(task.directions), s = size(task.s), count = rows.size() / s;
  std::vector<double> along(count * q, 0.0);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < q; ++j)
      for (std::size_t l = 0; l < s; ++l) along[i * q + j] += rows[i * s + l] * task.V[j * s + l];
  return along;
}

std::vector<double> stretched(const TaskData& task, std::vector<double> rows) {
  const std::size_t q = size(task.directions), s = size(task.s), count = rows.size() / s;
  const std::vector<double> along = along_law(task, rows);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < q; ++j)
      for (std::size_t l = 0; l < s; ++l)
        rows[i * s + l] += task.stretch[j] * along[i * q + j] * task.V[j * s + l];
  return rows;
}

std::vector<double> means_of(const TaskData& task, const std::vector<double>& along) {
  const std::size_t q = size(task.directions), m = size(task.components), count = along.size() / q;
  std::vector<double> out(m * count, 0.0);
  for (std::size_t c = 0; c < m; ++c)
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < q; ++j)
        out[c * count + i] += task.means[c * q + j] * along[i * q + j];
  return out;
}

Statistics weighed(const Shape& shape, const TaskData& task, const std::vector<double>& along,
                   Statistics statistics) {
  const std::size_t k = size(shape.k), r = size(shape.rank), n = size(shape.n),
                    q = size(task.directions);
  std::vector<double> factor;
  for (const double x : task.stretch) factor.push_back(x * (2 + x));
  const double* rows = statistics.along.data();
  const std::size_t first = task.constant ? 1 : 0;  // a mean, and no part of the statistics
  add(factor, first, rows, n, along.data(), k, q, statistics.features);
  add(factor, first, rows, n, along.data() + k * q, r, q, statistics.teacher);
  add(factor, first, rows, n, rows, n, q, statistics.gram);
  for (std::size_t i = 0; i < statistics.beyond.size(); ++i)
    statistics.gram[i] += statistics.beyond[i];
  return statistics;
}

}  // namespace lrft
