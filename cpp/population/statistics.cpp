#include "population/statistics.hpp"

#include <algorithm>
#include <utility>

#include "lrft/poll.hpp"
#include "population/law.hpp"
#include "population/link.hpp"
#include "space/product.hpp"

namespace lrft {
namespace {

using Numbers = std::vector<double>;

std::size_t index(int i, int j, int width) { return static_cast<std::size_t>(i * width + j); }
Numbers zeros(int rows, int columns) { return Numbers(index(rows, 0, columns)); }

// y (rows, columns) += a (rows, depth) x (depth, columns), the first entries of rows this wide;
// or only what is on and below the diagonal, and a little above it.
struct Block {
  const double* data;
  int width;
};
enum class Part { all, lower };
void add_product(Block a, int rows, Block x, int depth, int columns, double* y, int y_width,
                 Part part = Part::all) {
  constexpr int tile = 2 * products::tile_rows;
  for (int first = 0; first < rows; first += tile) {
    const int height = std::min(tile, rows - first);
    const int width = part == Part::all ? columns : std::min(columns, first + height);
    Poll::spend(std::int64_t{height} * (depth + 1) * (width / lanes + 1) / 4);
    product({a.data + index(first, 0, a.width), a.width, 1}, height, {x.data, x.width}, depth,
            width, y + index(first, 0, y_width), y_width);
  }
}

Numbers transposed(const double* a, int rows, int columns) {
  Numbers out = zeros(columns, rows);
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) out[index(j, i, rows)] = a[index(i, j, columns)];
  return out;
}

// The lower triangle, above the diagonal as well.
void mirror(Numbers& a, int n) {
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < i; ++j) a[index(j, i, n)] = a[index(i, j, n)];
}

Numbers times(double factor, Numbers a) {
  for (double& x : a) x *= factor;
  return a;
}

bool is_identity(const Numbers& a, int rows, int columns) {
  if (rows != columns) return false;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j)
      if (a[index(i, j, columns)] != (i == j ? 1.0 : 0.0)) return false;
  return true;
}

// Rows of W and of u in S.
Numbers basis_of(const TaskData& task) {
  Numbers basis(task.R.begin(), task.R.end());
  basis.insert(basis.end(), task.a.begin(), task.a.end());
  return basis;
}

// The same without what they have along the constant.
Numbers beside_constant(const TaskData& task, Numbers rows) {
  if (task.constant)
    for (std::size_t i = 0; i < rows.size(); i += static_cast<std::size_t>(task.s)) rows[i] = 0;
  return rows;
}

Numbers teachers_covariance(const Shape& shape, const TaskData& task,
                            const TaskProducts& products) {
  const int k = shape.k, neurons = shape.neurons;
  const double scale = task.neuron_scale * task.neuron_scale;
  Numbers C = zeros(neurons, neurons);
  for (int i = 0; i < neurons; ++i)
    for (int j = 0; j <= i; ++j) C[index(i, j, neurons)] = scale * products.teacher[index(i, j, k)];
  return C;
}

// Covariance and means of the fields of a link, in a component of the law.
LinkFields link_fields(const Shape& shape, const TaskLaw& law, int component) {
  const int k = shape.k, r = shape.rank, all = k + r;
  LinkFields t{zeros(r, r), Numbers(&law.fields[index(component, 0, r)],
                                    &law.fields[index(component, 0, r)] + r)};
  for (int i = 0; i < r; ++i)
    std::copy_n(&law.products.fixed[index(k + i, k, all)], r, &t.covariance[index(i, 0, r)]);
  return t;
}

}  // namespace

TaskProducts::TaskProducts(const Shape& shape, const TaskData& task, const Numbers& basis) {
  const int k = shape.k, r = shape.rank, s = shape.s, all = k + r;
  fixed = zeros(all, all);
  if (is_identity(basis, all, s)) {  // its products, to the bit
    for (int i = 0; i < all; ++i) fixed[index(i, i, all)] = 1;
  } else {
    const Numbers turned = transposed(basis.data(), all, s);
    add_product({basis.data(), s}, all, {turned.data(), all}, s, all, fixed.data(), all,
                Part::lower);
    mirror(fixed, all);
  }
  // Neuron i of the teacher is w_i + xi sum_q c_iq u_q.
  const Numbers c = times(task.xi, task.c), ct = transposed(c.data(), k, r);
  across = zeros(all, k);
  for (int i = 0; i < all; ++i) std::copy_n(&fixed[index(i, 0, all)], k, &across[index(i, 0, k)]);
  add_product({fixed.data() + k, all}, all, {ct.data(), k}, r, k, across.data(), k);
  teacher.assign(across.begin(), across.begin() + k * k);
  add_product({c.data(), r}, k, {across.data() + index(k, 0, k), k}, r, k, teacher.data(), k);
  for (int i = 0; i < k; ++i) sizes.push_back(teacher[index(i, i, k)]);
}

TaskLaw::TaskLaw(const Population& population, const ActivationSpec& link, const Shape& shape,
                 const TaskData& task, const Numbers& basis)
    : products(shape, task, stretched(task, basis)), along(along_law(task, basis)) {
  const int k = shape.k, r = shape.rank, q = task.directions, m = task.components;
  // The teacher's neurons, and the fields of u.
  Numbers of_neurons(along.begin(), along.begin() + k * q);
  const Numbers directions(along.begin() + k * q, along.end()), c = times(task.xi, task.c);
  add_product({c.data(), r}, k, {directions.data(), q}, r, q, of_neurons.data(), q);
  neurons = times(task.neuron_scale, means_of(task, of_neurons));
  fields = means_of(task, directions);
  const Numbers C = teachers_covariance(shape, task, products);
  const Numbers weights = times(task.output_scale, task.lam);
  for (int i = 0; i < m; ++i) {
    if (task.link != LinkKind::none) {
      star.push_back(link_moments(link_of(task, link), link_fields(shape, *this, i)));
      continue;
    }
    const double* means = &neurons[index(i, 0, k)];
    star.push_back({population.expected_sum(shape.neurons, weights.data(), C.data(), means),
                    population.expected_square(shape.neurons, weights.data(), C.data(), means)});
  }
}

TaskGram::TaskGram(const Population& population, const ActivationSpec& link, const Shape& shape,
                   const TaskData& task)
    : TaskProducts(shape, task, beside_constant(task, basis_of(task))), second_moment(0) {
  if (task.directions > 0) {
    law = std::make_shared<TaskLaw>(population, link, shape, task, basis_of(task));
    return;
  }
  if (task.link != LinkKind::none) return;
  const Numbers C = teachers_covariance(shape, task, *this);
  const Numbers weights = times(task.output_scale, task.lam);
  second_moment = population.expected_square_from(0, shape.neurons, weights.data(), C.data());
}

const TaskGram& TaskGrams::of(const TaskData& task) {
  auto found = std::find_if(known_.begin(), known_.end(),
                            [&](const auto& one) { return one.first == &task; });
  if (found == known_.end()) {
    known_.emplace_front(&task, TaskGram(population_, link_, shape_, task));
    if (known_.size() > most_) known_.pop_back();
  } else {
    known_.splice(known_.begin(), known_, found);
  }
  return known_.front().second;
}

Statistics reduced_statistics(const Shape& shape, const TaskData& task,
                              const std::vector<double>& rows) {
  const int k = shape.k, r = shape.rank, n = shape.n, s = shape.s;
  const Numbers beside = beside_constant(task, Numbers(rows.begin(), rows.begin() + n * s));
  const double* P = beside.data();
  const Numbers Pt = transposed(P, n, s);
  // W and u are read once however many rows there are.
  Numbers features = zeros(k, n), teacher = zeros(r, n);
  add_product({task.R, s}, k, {Pt.data(), n}, s, n, features.data(), n);
  add_product({task.a.data(), s}, r, {Pt.data(), n}, s, n, teacher.data(), n);
  Statistics out;
  out.features = transposed(features.data(), k, n);
  out.teacher = transposed(teacher.data(), r, n);
  out.gram = zeros(n, n);
  add_product({P, s}, n, {Pt.data(), n}, s, n, out.gram.data(), n, Part::lower);
  if (shape.blocks > 0) out.beyond = zeros(n, n);
  for (int part = 0; part < shape.complements(); ++part) {
    const double* L = rows.data() + n * (s + part * n);
    const Numbers Lt = transposed(L, n, n);
    add_product({L, n}, n, {Lt.data(), n}, n, n, out.gram.data(), n, Part::lower);
    if (shape.blocks == 0) continue;
    Numbers here = zeros(n, n);
    add_product({L, n}, n, {Lt.data(), n}, n, n, here.data(), n, Part::lower);
    mirror(here, n);
    const double more = task.variances[static_cast<std::size_t>(part)] - 1;
    for (std::size_t i = 0; i < here.size(); ++i) out.beyond[i] += more * here[i];
    out.blocks.insert(out.blocks.end(), here.begin(), here.end());
  }
  mirror(out.gram, n);
  if (!shape.sizes.parameters.empty()) out.inside.assign(rows.begin(), rows.begin() + n * s);
  return out;
}

std::vector<double> covariance(const Shape& shape, const TaskData& task, const TaskProducts& gram,
                               const StudentSpec& student, const Statistics& statistics,
                               const std::vector<double>& own) {
  const int k = shape.k, n = shape.n, r = shape.rank, all = k + r;
  const int neurons = student.facts().network ? n : k, m = k + neurons;
  Numbers C = zeros(m, m);
  const auto at = [&](int i, int j) { return C.data() + index(i, j, m); };
  for (int i = 0; i < k; ++i) *at(i, i) = gram.sizes[static_cast<std::size_t>(i)];
  // Inner products (n, k) of the student's rows with the teacher's neurons.
  const Numbers ct = times(task.xi, transposed(task.c.data(), k, r));
  Numbers along = statistics.features;
  add_product({statistics.teacher.data(), r}, n, {ct.data(), k}, r, k, along.data(), k);
  if (student.facts().network) {
    for (int j = 0; j < n; ++j) {
      std::copy_n(&along[index(j, 0, k)], k, at(k + j, 0));
      std::copy_n(&statistics.gram[index(j, 0, n)], j + 1, at(k + j, k));
    }
  } else {
    // Neuron i is w_i + sum_p B_ip A_p.  With Z = A W^T + 1/2 A A^T B^T, the inner products of the
    // student's neurons are W W^T + B Z + (B Z)^T.
    const Numbers B = times(student.scale, own), Bt = transposed(B.data(), k, n);
    Numbers Z = times(2, statistics.features);
    add_product({statistics.gram.data(), n}, n, {Bt.data(), k}, n, k, Z.data(), k);
    Z = times(0.5, std::move(Z));
    const Numbers Zt = transposed(Z.data(), n, k);
    for (int j = 0; j < k; ++j) {
      std::copy_n(&gram.across[index(j, 0, k)], k, at(k + j, 0));
      std::copy_n(&gram.fixed[index(j, 0, all)], j + 1, at(k + j, k));
    }
    add_product({B.data(), n}, k, {along.data(), k}, n, k, at(k, 0), m);
    add_product({B.data(), n}, k, {Z.data(), k}, n, k, at(k, k), m, Part::lower);
    add_product({Zt.data(), n}, k, {Bt.data(), k}, n, k, at(k, k), m, Part::lower);
  }
  const double scale = task.neuron_scale * task.neuron_scale;
  for (int i = 0; i < m; ++i)
    for (double* x = at(i, i < k ? i : 0); x <= at(i, i); ++x) *x *= scale;
  return C;
}

std::vector<double> neurons_with_directions(const Shape& shape, const TaskProducts& gram,
                                            const StudentSpec& student,
                                            const Statistics& statistics,
                                            const std::vector<double>& own) {
  const int k = shape.k, n = shape.n, r = shape.rank, all = k + r;
  if (student.facts().network) return statistics.teacher;
  Numbers T = zeros(k, r);
  for (int i = 0; i < k; ++i) std::copy_n(&gram.fixed[index(i, k, all)], r, &T[index(i, 0, r)]);
  const Numbers B = times(student.scale, own);
  add_product({B.data(), n}, k, {statistics.teacher.data(), r}, n, r, T.data(), r);
  return T;
}

namespace {

// Means of the student's neurons (m, neurons), by component.
Numbers student_means(const Shape& shape, const TaskData& task, const TaskLaw& law,
                      const StudentSpec& student, const Statistics& statistics,
                      const Numbers& own) {
  const int k = shape.k, n = shape.n, q = task.directions;
  Numbers along = statistics.along;
  if (!student.facts().network) {
    along.assign(law.along.begin(), law.along.begin() + k * q);
    const Numbers B = times(student.scale, own);
    add_product({B.data(), n}, k, {statistics.along.data(), q}, n, q, along.data(), q);
  }
  return times(task.neuron_scale, means_of(task, along));
}

// The loss given a component of the law, whose label is f* + shift.
double component_loss(const Population& population, const ActivationSpec& link, const Shape& shape,
                      const TaskData& task, const TaskLaw& law, const Numbers& C, const Numbers& T,
                      const Numbers& own_means, const Numbers& of_student, int component) {
  const int k = shape.k, m = static_cast<int>(of_student.size());
  const auto at = static_cast<std::size_t>(component);
  const double shift = task.shifts[at];
  if (task.link != LinkKind::none) {
    Numbers Z = zeros(m, m);
    for (int j = 0; j < m; ++j) std::copy_n(&C[index(k + j, k, k + m)], m, &Z[index(j, 0, m)]);
    return link_loss(population, link_of(task, link), of_student, Z, own_means, T,
                     link_fields(shape, law, component), law.star[at], shift)
        .value;
  }
  Numbers means(&law.neurons[index(component, 0, k)], &law.neurons[index(component, 0, k)] + k);
  means.insert(means.end(), own_means.begin(), own_means.end());
  Numbers weights;
  for (double x : task.lam) weights.push_back(task.output_scale * x);
  for (double x : of_student) weights.push_back(-x);
  const int all = k + m;
  double loss = law.star[at].second.value +
                population.expected_square_from(k, all, weights.data(), C.data(), means.data());
  if (shift != 0) {
    const double gap = population.expected_sum(all, weights.data(), C.data(), means.data()).value;
    loss += shift * (2 * gap + shift);
  }
  return loss;
}

double loss_under_law(const Population& population, const ActivationSpec& link, const Shape& shape,
                      const TaskData& task, const TaskLaw& law, const StudentSpec& student,
                      const Statistics& statistics, const Numbers& own, const Numbers& of_student) {
  const Statistics rows = weighed(shape, task, law.along, statistics);
  const Numbers C = covariance(shape, task, law.products, student, rows, own);
  const Numbers T =
      times(task.neuron_scale, neurons_with_directions(shape, law.products, student, rows, own));
  const Numbers means = student_means(shape, task, law, student, statistics, own);
  const std::size_t m = of_student.size();
  double loss = 0;
  for (int c = 0; c < task.components; ++c) {
    const auto from = means.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(c) * m);
    loss += task.probabilities[static_cast<std::size_t>(c)] *
            component_loss(population, link, shape, task, law, C, T,
                           Numbers(from, from + static_cast<std::ptrdiff_t>(m)), of_student, c);
  }
  return loss < 0 ? 0 : loss;
}

}  // namespace

double population_loss(const Population& population, const ActivationSpec& link, const Shape& shape,
                       const TaskData& task, const TaskGram& gram, const StudentSpec& student,
                       const Statistics& statistics, const std::vector<double>& own, double s) {
  if (gram.law != nullptr)
    return loss_under_law(population, link, shape, task, *gram.law, student, statistics, own,
                          times(s * task.output_scale, student.facts().network ? own : task.lam));
  const std::vector<double> C = covariance(shape, task, gram, student, statistics, own);
  const Numbers of_student = times(s, student.facts().network ? own : task.lam);
  if (task.link != LinkKind::none) {
    const int k = shape.k, r = shape.rank, all = k + r;
    const int m = static_cast<int>(of_student.size());
    Numbers Z = zeros(m, m), H = zeros(r, r);
    for (int j = 0; j < m; ++j) std::copy_n(&C[index(k + j, k, k + m)], m, &Z[index(j, 0, m)]);
    for (int i = 0; i < r; ++i)
      std::copy_n(&gram.fixed[index(k + i, k, all)], r, &H[index(i, 0, r)]);
    const Numbers T =
        times(task.neuron_scale, neurons_with_directions(shape, gram, student, statistics, own));
    if (!task.biases.empty()) {
      const Link star = link_of(task, link);
      const LinkFields t{H, zeros(r, 1)};
      return link_loss(population, star, times(task.output_scale, of_student), Z, zeros(m, 1), T, t,
                       link_moments(star, t), 0)
          .value;
    }
    return link_loss(population, link_of(task, link), times(task.output_scale, of_student), Z, T, H)
        .value;
  }
  std::vector<double> weights;
  for (double x : task.lam) weights.push_back(task.output_scale * x);
  for (double x : of_student) weights.push_back(-task.output_scale * x);
  const double loss =
      gram.second_moment + population.expected_square_from(
                               shape.k, static_cast<int>(weights.size()), weights.data(), C.data());
  return loss < 0 ? 0 : loss;
}

double drift(const Population& population, const Shape& shape, const TaskData& task,
             const TaskGram& gram, const StudentSpec& student, const Statistics& statistics,
             const std::vector<double>& own) {
  const int k = shape.k, m = 2 * k;
  const std::vector<double> C = covariance(shape, task, gram, student, statistics, own);
  std::vector<double> K(C.size());
  population.moments(m, C.data(), true, K.data());
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
