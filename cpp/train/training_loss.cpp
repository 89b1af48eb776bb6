// What a training lowers, where that is not the squared error.
//
// Of fresh samples the student and its teacher see fields that are jointly Gaussian, (W x, u x, A
// x) with the inner products of the rows as their covariance: so a sample costs no vector in R^d,
// and the estimate is the same function of the state in every space.  Where inputs have a law of
// their own, V x is drawn with them, and what the law adds is along these (space/law.hpp).
//
// Cost a record: `fresh_samples` times (k + r + n + q)^2 / 2 multiplications and k + n values of
// the activation beside the teacher's.
#include <cmath>
#include <limits>

#include "population/linearized.hpp"
#include "random/address.hpp"
#include "space/law.hpp"
#include "space/product.hpp"
#include "space/teacher.hpp"
#include "student/list.hpp"
#include "train/loss.hpp"
#include "train/observe.hpp"

namespace lrft {
namespace {

std::size_t index(int i, int j, int width) { return static_cast<std::size_t>(i * width + j); }

// The inner products (k + r + n, q) of features, directions and rows with those of the law.
std::vector<double> along_law(const Seen& x) {
  const int k = x.shape.k, given = k + x.shape.rank, q = x.shape.directions, s = x.shape.s;
  std::vector<double> along(index(given, 0, q), 0.0);
  for (int i = 0; i < given; ++i)
    for (int j = 0; j < q; ++j)
      for (int l = 0; l < s; ++l)
        along[index(i, j, q)] += (i < k ? x.task.R[index(i, l, s)] : x.task.a[index(i - k, l, s)]) *
                                 x.task.V[index(j, l, s)];
  along.insert(along.end(), x.rows.along.begin(), x.rows.along.end());
  return along;
}

// A lower-triangular factor of the covariance of the fields (k + r + n) and what is along the law's
// directions (q), of normal inputs without the constant; what depends on those before it up to
// rounding, or is the constant, has a column of zeros.
std::vector<double> factor_of_fields(const Seen& x, const std::vector<double>& along) {
  const int k = x.shape.k, given = k + x.shape.rank, n = x.shape.n, q = x.shape.directions,
            fields = given + n, m = fields + q;
  const auto covariance = [&](int i, int j) {
    if (x.shape.constant && (i == fields || j == fields)) return 0.0;
    if (i >= fields) return j < fields ? along[index(j, i - fields, q)] : i == j ? 1.0 : 0.0;
    if (i < given) return x.gram->fixed[index(i, j, given)];
    if (j < k) return x.rows.features[index(i - given, j, k)];
    if (j < given) return x.rows.teacher[index(i - given, j - k, given - k)];
    const std::size_t both = index(i - given, j - given, n);
    return x.rows.gram[both] + (x.rows.beyond.empty() ? 0.0 : x.rows.beyond[both]);
  };
  std::vector<double> L(index(m, 0, m), 0.0);
  for (int i = 0; i < m; ++i) {
    Poll::spend(std::int64_t{i} * i / 2);
    for (int j = 0; j <= i; ++j) {
      double sum = covariance(i, j);
      for (int l = 0; l < j; ++l) sum -= L[index(i, l, m)] * L[index(j, l, m)];
      if (i == j)
        L[index(i, i, m)] = sum > 1e-13 * covariance(i, i) ? std::sqrt(sum) : 0;
      else
        L[index(i, j, m)] = L[index(j, j, m)] > 0 ? sum / L[index(j, j, m)] : 0;
    }
  }
  return L;
}

// Mean and standard error over fresh samples of the loss with this student; what is left to chance
// are the fields and the noise, not which signs are turned over.
template <class Student>
Estimate of_samples(const Seen& x, const RunSpec& run, const TrainingData& plan,
                    const Chain& chain) {
  constexpr int width = 4 * lanes;
  static_assert(fresh_samples % width == 0);
  Student student(x.shape, x.student, make_activation(run.activation));
  student.set_task(0, x.task, x.student);
  if (x.student.linearized) student.set_start(0, x.start);
  student.set_own(0, x.own);
  Teacher<NeuronLanes> teacher(x.shape, run);
  teacher.set_task(0, x.task);
  AnyLoss<NeuronLanes> loss;
  loss.set(0, plan);
  const bool signs = plan.loss.kind == LossData::Kind::logistic;

  const int k = x.shape.k, r = x.shape.rank, n = x.shape.n, directions_of_law = x.shape.directions,
            fields = k + r + n, m = fields + directions_of_law;
  const std::vector<double> along = along_law(x), L = factor_of_fields(x, along);
  LawAlong<NeuronLanes> law(x.shape, run.seed);
  if (law.there()) law.set_task(0, x.task, chain.replica);
  const Philox random(run.seed);
  const Address at(random, broadcast_bits(static_cast<std::uint64_t>(chain.step)),
                   broadcast_bits(chain.replica));
  std::vector<double> Z(index(m + 1, 0, width)), Y(index(m, 0, width)),
      directions(static_cast<std::size_t>(r)), rows(static_cast<std::size_t>(n)),
      shifts(static_cast<std::size_t>(width), 0.0);
  AlignedPacks features(NeuronLanes::packs(k));
  double sum = 0, squares = 0;
  for (int first = 0; first < fresh_samples; first += width) {
    Poll::spend(std::int64_t{m} * (m + 20) * width / 8);
    // The fields of sample q, then its noise: m + 1 normals from slot q (m + 2) / 2 on.
    for (int column = 0; column < width; column += lanes) {
      std::uint64_t slot[lanes];
      for (int q = 0; q < lanes; ++q)
        slot[q] = static_cast<std::uint64_t>(first + column + q) *
                  static_cast<std::uint64_t>((m + 2) / 2);
      at.normals(Purpose::fresh, load_bits(slot), m + 1, Z.data() + column, width);
    }
    Y.assign(Y.size(), 0.0);
    product({L.data(), m, 1}, m, {Z.data(), width}, m, width, Y.data(), width);
    if (law.there()) {
      double* added = Y.data() + index(fields, 0, width);
      for (int column = 0; column < width; column += lanes) {
        // Slots that no input of a batch has.
        std::uint64_t slot[lanes];
        for (int q = 0; q < lanes; ++q)
          slot[q] = (std::uint64_t{1} << 31) + static_cast<std::uint64_t>(first + column + q);
        law.draw(broadcast_bits(static_cast<std::uint64_t>(chain.step)), load_bits(slot));
        for (int j = 0; j < directions_of_law; ++j) {
          double* y = added + index(j, column, width);
          store(y, law.added(j, load(y)));
        }
        store(shifts.data() + column, law.shift());
      }
      product({along.data(), directions_of_law, 1}, fields, {added, width}, directions_of_law,
              width, Y.data(), width);
    }
    for (int q = 0; q < width; ++q) {
      for (int i = 0; i < k; ++i) features.doubles()[i] = Y[index(i, q, width)];
      for (int i = 0; i < r; ++i)
        directions[static_cast<std::size_t>(i)] = Y[index(k + i, q, width)];
      for (int j = 0; j < n; ++j) rows[static_cast<std::size_t>(j)] = Y[index(k + r + j, q, width)];
      const Input<double> input{features.data(), rows.data()};
      const double f = student.forward(input);
      const double y = teacher.output({input, directions.data()}) +
                       x.task.noise * Z[index(m, q, width)] + shifts[static_cast<std::size_t>(q)];
      double value = loss.value(f, y);
      if (signs) {
        const double sign = y < 0 ? -1 : 1;
        value = (1 - plan.loss.flip) * loss.value(f, sign) + plan.loss.flip * loss.value(f, -sign);
      }
      sum += value;
      squares += value * value;
    }
  }
  const double mean = sum / fresh_samples;
  const double variance = (squares / fresh_samples - mean * mean) / (fresh_samples - 1);
  return {mean, std::sqrt(variance > 0 ? variance : 0)};
}

}  // namespace

double squared_error(const Seen& x, double s, const Statistics& rows,
                     const std::vector<double>& own) {
  return x.student.linearized ? linearized_loss(x.population, x.shape, x.task, *x.gram, x.student,
                                                rows, own, x.start, s)
                              : population_loss(x.population, x.link, x.shape, x.task, *x.gram,
                                                x.student, rows, own, s);
}

Estimate training_loss(const Seen& x, const RunSpec& run, const TrainingData& plan,
                       const Chain& chain) {
  Estimate found;
  if (plan.loss.kind == LossData::Kind::correlation)
    // -2 E f f*, half of what changes in E (s f - f*)^2 between s = -1 and 1
    found.value = (squared_error(x, 1, x.rows, x.own) - squared_error(x, -1, x.rows, x.own)) / 2;
  else
    found = with_student<NeuronLanes>(x.student.kind, [&]<class T>(std::type_identity<T>) {
      return of_samples<T>(x, run, plan, chain);
    });
  // As of the loss: what overflows on the way to a number is larger than any.
  if (std::isnan(found.value)) found.value = std::numeric_limits<double>::infinity();
  return found;
}

}  // namespace lrft
