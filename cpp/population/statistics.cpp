#include "population/statistics.hpp"

#include "lrft/poll.hpp"

namespace lrft {
namespace {

std::size_t index(int i, int j, int width) { return static_cast<std::size_t>(i * width + j); }

double dot(const double* x, const double* y, int size) {
  double sum = 0;
  for (int i = 0; i < size; ++i) sum += x[i] * y[i];
  return sum;
}

}  // namespace

Statistics reduced_statistics(const Shape& shape, const TaskData& task,
                              const std::vector<double>& rows) {
  const int n = shape.n, s = shape.s;
  const double* P = rows.data();
  const double* L = P + n * s;
  Statistics out;
  for (int j = 0; j < n; ++j) {
    Poll::spend(std::int64_t{s} * (shape.k + shape.rank) + (std::int64_t{s} + n) * n);
    for (int i = 0; i < shape.k; ++i)
      out.features.push_back(dot(P + j * s, task.R.data() + i * s, s));
    for (int i = 0; i < shape.rank; ++i)
      out.teacher.push_back(dot(P + j * s, task.a.data() + i * s, s));
    for (int i = 0; i < n; ++i)
      out.gram.push_back(dot(P + j * s, P + i * s, s) + dot(L + j * n, L + i * n, n));
  }
  return out;
}

std::vector<double> covariance(const Shape& shape, const TaskData& task, const StudentSpec& student,
                               const Statistics& statistics, const std::vector<double>& own) {
  const int k = shape.k, n = shape.n, r = shape.rank, s = shape.s;
  const int neurons = student.network() ? n : k, m = k + neurons;
  const double scale = task.neuron_scale * task.neuron_scale, xi = task.xi;
  // Inner products of the features, and of the features with the teacher's directions.
  std::vector<double> WW(static_cast<std::size_t>(k * k)), Wu(static_cast<std::size_t>(k * r)),
      uu(static_cast<std::size_t>(r * r));
  const double* R = task.R.data();
  const double* a = task.a.data();
  for (int i = 0; i < k; ++i) {
    Poll::spend(std::int64_t{s} * (i + r));
    for (int j = 0; j <= i; ++j)
      WW[index(i, j, k)] = WW[index(j, i, k)] = dot(R + i * s, R + j * s, s);
    for (int j = 0; j < r; ++j) Wu[index(i, j, r)] = dot(R + i * s, a + j * s, s);
  }
  for (int i = 0; i < r; ++i)
    for (int j = 0; j < r; ++j) uu[index(i, j, r)] = dot(a + i * s, a + j * s, s);

  // Neuron i of the teacher, and of a low-rank student, is w_i plus a combination of
  // directions: inner products of two such sums.
  const double* c = task.c.data();
  std::vector<double> C(static_cast<std::size_t>(m * m));
  for (int i = 0; i < k; ++i) {
    Poll::spend(3 * std::int64_t{k});
    for (int j = 0; j < k; ++j) {
      if (r > 16) Poll::spend(r * std::int64_t{r});
      double teacher = WW[index(i, j, k)];
      for (int p = 0; p < r; ++p) {
        teacher += xi * (c[i * r + p] * Wu[index(j, p, r)] + c[j * r + p] * Wu[index(i, p, r)]);
        for (int q = 0; q < r; ++q)
          teacher += xi * xi * c[i * r + p] * c[j * r + q] * uu[index(p, q, r)];
      }
      C[index(i, j, m)] = scale * teacher;
    }
  }
  // Inner products (k, n) of the teacher's neurons with the student's rows.
  std::vector<double> along(static_cast<std::size_t>(k * n));
  for (int i = 0; i < k; ++i) {
    Poll::spend(std::int64_t{n} * r);
    for (int p = 0; p < n; ++p) {
      double sum = statistics.features[index(p, i, k)];
      for (int q = 0; q < r; ++q) sum += xi * c[i * r + q] * statistics.teacher[index(p, q, r)];
      along[index(i, p, n)] = sum;
    }
  }
  const double* B = own.data();
  const double xi_hat = student.scale;
  for (int j = 0; j < neurons; ++j) {
    Poll::spend(std::int64_t{k} * (r + n + 4));
    for (int i = 0; i < k; ++i) {
      double cross = 0;
      if (student.network()) {
        cross = along[index(i, j, n)];
      } else {
        cross = WW[index(i, j, k)];
        for (int q = 0; q < r; ++q) cross += xi * c[i * r + q] * Wu[index(j, q, r)];
        for (int p = 0; p < n; ++p) cross += xi_hat * B[j * n + p] * along[index(i, p, n)];
      }
      C[index(i, k + j, m)] = C[index(k + j, i, m)] = scale * cross;
    }
    for (int i = 0; i < neurons; ++i) {
      if (n > 16 && !student.network()) Poll::spend(n * std::int64_t{n});
      double both = 0;
      if (student.network()) {
        both = statistics.gram[index(i, j, n)];
      } else {
        both = WW[index(i, j, k)];
        for (int p = 0; p < n; ++p) {
          both += xi_hat * (B[i * n + p] * statistics.features[index(p, j, k)] +
                            B[j * n + p] * statistics.features[index(p, i, k)]);
          for (int q = 0; q < n; ++q)
            both += xi_hat * xi_hat * B[i * n + p] * B[j * n + q] * statistics.gram[index(p, q, n)];
        }
      }
      C[index(k + i, k + j, m)] = scale * both;
    }
  }
  return C;
}

double population_loss(const Population& population, const Shape& shape, const TaskData& task,
                       const StudentSpec& student, const Statistics& statistics,
                       const std::vector<double>& own) {
  std::vector<double> weights;
  for (double x : task.lam) weights.push_back(task.output_scale * x);
  for (double x : student.network() ? own : task.lam) weights.push_back(-task.output_scale * x);
  const std::vector<double> C = covariance(shape, task, student, statistics, own);
  return population
      .expected_square(static_cast<int>(weights.size()), weights.data(), C.data(), false)
      .value;
}

double drift(const Population& population, const Shape& shape, const TaskData& task,
             const StudentSpec& student, const Statistics& statistics,
             const std::vector<double>& own) {
  const int k = shape.k, m = 2 * k;
  const std::vector<double> C = covariance(shape, task, student, statistics, own);
  std::vector<double> K(C.size());
  population.moments(m, C.data(), true, K.data(), nullptr);
  double sum = 0;
  for (int i = 0; i < k; ++i)
    for (int j = 0; j < k; ++j)
      sum += task.lam[static_cast<std::size_t>(i)] * task.c[static_cast<std::size_t>(i)] *
             task.lam[static_cast<std::size_t>(j)] * own[static_cast<std::size_t>(j)] *
             K[index(i, k + j, m)];
  const double scale = task.xi * task.neuron_scale * task.output_scale;
  return 2 * scale * scale * sum;
}

}  // namespace lrft
