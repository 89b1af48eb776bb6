#include "space/blocks.hpp"

#include "random/fill.hpp"
#include "space/law.hpp"
#include "space/product.hpp"
#include "space/subspace.hpp"

namespace lrft {

Blocks::Blocks(const Shape& shape, const RunSpec& spec, std::unique_ptr<Inputs> inputs)
    : shape_(shape),
      seed_(spec.seed),
      steps_(BlockSize(shape).steps),
      used_(BlockSize(shape).used),
      N_(BlockSize(shape).N),
      inputs_(std::move(inputs)),
      packs_(NeuronLanes::packs(shape.k)),
      projection_(shape, N_),
      A_(shape.rank, shape.rows, shape.still),
      next_(A_),
      Y_(packs_ * lanes + shape.rank + shape.n, N_),
      gram_(grams() ? N_ : 0, grams() ? N_ : 0),
      gamma_(shape.n, N_),
      turned_(N_, tile_depth),
      sums_(shape.rows, shape.rank + shape.rows),
      rows_now_(shape.n, N_),
      gram_now_(shape.n, shape.n),
      teacher_now_(shape.n, shape.rank),
      features_(N_ * packs_),
      teacher_(static_cast<std::size_t>(N_ * shape.rank)),
      rows_(static_cast<std::size_t>(shape.batch * shape.n)),
      alpha_(Eigen::VectorXd::Ones(shape.n)) {}

void Blocks::set_task(int, const TaskData& task, std::uint32_t replica) {
  task_ = &task;
  projection_.set_task(task);
  d_ = static_cast<Index>(task.d);
  inputs_->set_task(task, replica);
  keep_ =
      static_cast<std::size_t>(d_) * static_cast<std::size_t>(N_) * sizeof(double) <= kept_inputs;
  X_.setZero(keep_ ? whole_packs(d_) : tile_depth, N_);
  A_.set_u(task.u, d_);
}

void Blocks::set_rows(int, const std::vector<double>& rows) {
  A_.set(rows);
  const int n = shape_.rows, all = N_ + shape_.k + shape_.rank + n;
  slow_ = static_cast<double>(n) * (shape_.d * all / 8 + n * shape_.batch) > 5e6;
  sum(A_);
  if (slow_) look_at_start(A_);
  settled();
}

std::vector<double> Blocks::rows_of(int) {
  settle();
  return A_.get();
}

std::vector<double> Blocks::rows_now(int) {
  settle();
  Rows rows = A_;
  if (position_ > 0) {
    prepare();
    for (Index begin = 0; begin < d_; begin += tile_depth) form(rows, begin);
  }
  return rows.get();
}

std::vector<double> Blocks::draw_rows(const TaskData& task, std::uint32_t replica,
                                      bool unit) const {
  const auto drawn = static_cast<Index>(task.d) - (shape_.constant ? 1 : 0);
  Matrix A(shape_.n, drawn);
  fill_normals(seed_, replica, Purpose::init_rows, 0, static_cast<std::size_t>(A.size()), A.data());
  A.conservativeResizeLike(Matrix::Zero(shape_.n, static_cast<Index>(task.d)));
  projection_.project(A);
  if (unit)
    for (Index j = 0; j < A.rows(); ++j) A.row(j) /= A.row(j).norm();
  return {A.data(), A.data() + A.size()};
}

std::vector<double> Blocks::given_rows(const StudentSpec& student) const {
  const double* rows = student.rows_x;
  return {rows, rows + shape_.n * d_};
}

Statistics Blocks::look(const TaskData& task, std::vector<double> A) const {
  const int n = shape_.n, r = shape_.rank, f = shape_.followed;
  Statistics out;
  Eigen::Map<Matrix> own(A.data(), n, d_);
  const Eigen::Map<const Matrix> u(task.u, r, d_);
  look_at_law(task, own, out);
  if (shape_.constant) own.rightCols(1).setZero();
  Rows rows(r, n, false);
  rows.set_u(task.u, d_);
  rows.set(A);
  Matrix features, gram;
  rows.look(task.W, shape_.k, features, gram);
  Matrix teacher = Matrix::Zero(n, r);
  add_product_transposed(own, u, teacher);
  out.features.assign(features.data(), features.data() + features.size());
  out.teacher.assign(teacher.data(), teacher.data() + teacher.size());
  out.gram.assign(gram.data(), gram.data() + gram.size());
  if (shape_.follow) {
    const Eigen::Map<const Matrix> a(task.a.data(), f, shape_.s);
    out.cosines = subspace_cosines(n, f, out.gram, gram_of(a), first_of_each(out.teacher, r, f),
                                   [&] { return RowSets{own, u.topRows(f)}; });
  }
  return out;
}

Statistics Blocks::statistics(int, const TaskData& task) {
  // Of the products here inputs have a part along the constant, and rows the same.
  if (shape_.constant && shape_.first() == 0) return look(task, rows_now(0));
  settle();
  if (!start_known_) look_at_start(A_);
  const int n = shape_.n, k = shape_.k, r = shape_.rank;
  Statistics out;
  out.features.resize(static_cast<std::size_t>(n * k));
  out.teacher.resize(static_cast<std::size_t>(n * r));
  out.gram.resize(static_cast<std::size_t>(n * n));
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i < k; ++i) {
      double sum = features_start_(j, i);
      if (!shape_.project)
        for (int q = 0; q < position_; ++q) sum -= gamma_(j, q) * Y_(i, q);
      out.features[static_cast<std::size_t>(j * k + i)] = alpha_[j] * sum;
    }
    for (int i = 0; i < r; ++i)
      out.teacher[static_cast<std::size_t>(j * r + i)] = alpha_[j] * teacher_now_(j, i);
    for (int i = 0; i < n; ++i) {
      Poll::spend(std::int64_t{position_} * position_);
      double sum = gram_start_(j, i);
      for (int q = 0; q < position_; ++q) {
        sum -= gamma_(j, q) * rows_start_(i, q) + gamma_(i, q) * rows_start_(j, q);
        for (int p = 0; p < position_; ++p) sum += gamma_(j, q) * gamma_(i, p) * gram_(q, p);
      }
      out.gram[static_cast<std::size_t>(j * n + i)] = alpha_[j] * alpha_[i] * sum;
    }
  }
  if (shape_.directions > 0) {
    const std::vector<double> rows = rows_now(0);
    look_at_law(task, Eigen::Map<const Matrix>(rows.data(), n, d_), out);
  }
  if (shape_.follow) {
    const int f = shape_.followed;
    const Eigen::Map<const Matrix> a(task.a.data(), f, shape_.s);
    const std::vector<double> along = first_of_each(out.teacher, r, f);
    out.cosines = subspace_cosines(n, f, out.gram, gram_of(a), along, [&] {
      const std::vector<double> rows = rows_now(0);
      return RowSets{Eigen::Map<const Matrix>(rows.data(), n, d_),
                     Eigen::Map<const Matrix>(task.u, f, d_)};
    });
  }
  return out;
}

void Blocks::draw(const std::uint64_t* steps) {
  const auto t = static_cast<std::int64_t>(steps[0]);
  const auto at = static_cast<int>(t % steps_);
  if (at == 0) {
    inputs_->begin(t);
    draw_block();
  }
  current_ = at * shape_.batch;
  inputs_->draw(t, at);
  count_ = inputs_->count();
  fields();
}

void Blocks::move(const Move<double>& move) {
  if (!can_be_left()) return move_rows(move);
  const Eigen::VectorXd alpha = alpha_;
  const Matrix gram = gram_now_;
  const int position = position_;
  try {
    move_rows(move);
  } catch (const Cancelled&) {
    alpha_ = alpha;
    gram_now_ = gram;
    position_ = position;
    waiting_ = false;
    throw;
  }
}

void Blocks::products(double* gram, double* teacher) const {
  for (int j = 0; j < shape_.n; ++j) {
    for (int i = 0; i <= j; ++i) gram[j * shape_.n + i] = gram_now_(j, i);
    for (int i = 0; i < shape_.rank; ++i)
      teacher[j * shape_.rank + i] = alpha_[j] * teacher_now_(j, i);
  }
}

void Blocks::fields() {
  for (int b = 0; b < count_; ++b)
    for (int j = 0; j < shape_.n; ++j)
      rows_[static_cast<std::size_t>(b * shape_.n + j)] =
          alpha_[j] * rows_now_(j, current_ + b) + A_.still(shape_.first_row + j);
}

void Blocks::move_rows(const Move<double>& move) {
  const Scalar *const G = move.G, *const M = move.M;
  const int n = shape_.n, batch = count_;
  health_ = 0;
  for (int j = 0; j < n; ++j) {
    double& factor = alpha_[j];
    for (int i = shape_.follow ? 0 : j; i <= j; ++i) {
      if (slow_) Poll::spend(std::int64_t{batch} * (steps_ > 1 ? batch : 1));
      move_product(i, j, G, M);
    }
    factor *= M[j];
    for (int b = 0; b < shape_.batch; ++b)
      gamma_(j, current_ + b) = b < batch ? G[b * n + j] / factor : 0;
    health_ += gram_now_(j, j);
  }
  // In a block of one step, without gram_, its diagonal is not the lengths: see `settle`.
  if (move.unit && steps_ > 1) make_unit();
  position_ = current_ + shape_.batch;
  waiting_ = position_ == used_;
  if (waiting_ && (steps_ == 1 || can_be_left())) return settle(0, move.unit && steps_ == 1);
  for (int j = 0; j < n; ++j)
    for (int b = 0; b < batch; ++b) {
      const int q = current_ + b;
      if (!waiting_) rows_now_.row(j) -= gamma_(j, q) * gram_.row(q);
      teacher_now_.row(j) -= gamma_(j, q) * teacher_moved_.col(q).transpose();
    }
}

void Blocks::make_unit() {
  for (int j = 0; j < shape_.n; ++j) {
    const double length = std::sqrt(gram_now_(j, j));
    alpha_[j] /= length;
    for (int i = 0; i < shape_.n && shape_.follow; ++i) {
      gram_now_(j, i) /= length;
      gram_now_(i, j) /= length;
    }
    gram_now_(j, j) = 1;
  }
}

void Blocks::draw_block() {
  const int r = shape_.rank, padded = packs_ * lanes;
  Y_.setZero();
  gram_.setZero();
  if (waiting_) prepare();
  Index formed = 0;
  try {
    const Index tiles = keep_ ? 2 * tile_depth : tile_depth;  // a call costs 3 % of one
    for (Index begin = 0; begin < d_; begin += tiles) {
      const Index end = std::min(begin + tiles, d_);
      for (Index at = begin; waiting_ && at < end; at += tile_depth) form(A_, at), sum(A_, at);
      // Before inputs are drawn, which may be left: formed twice, the rows would be wrong.
      formed = end;
      double* x = X_.data() + (keep_ ? begin * N_ : 0);
      inputs_->tile(begin, end - begin, x);
      for (Index at = begin; at < end; at += tile_depth) meet(at, x + (at - begin) * N_);
    }
  } catch (const Cancelled&) {
    settle(formed);  // as if the step had not begun
    throw;
  }
  if (waiting_) settled();
  teacher_moved_ = Y_.middleRows(padded, r);
  projection_.outside(Y_.data(), teacher_moved_, grams() ? &gram_ : nullptr);
  gram_.triangularView<Eigen::StrictlyUpper>() = gram_.transpose();
  transpose({Y_.data(), N_}, padded, N_, features_.doubles(), padded);
  if (shape_.still)  // which inputs have as 0 here
    for (int i = 0; i < N_ * shape_.k; ++i)
      features_.doubles()[i / shape_.k * padded + i % shape_.k] +=
          task_->W[(i % shape_.k + 1) * d_ - 1];
  for (int q = 0; q < N_; ++q)
    for (int i = 0; i < r; ++i) teacher_[static_cast<std::size_t>(q * r + i)] = Y_(padded + i, q);
  rows_start_ = Y_.bottomRows(shape_.n);
  rows_now_ = rows_start_;
}

void Blocks::meet(Index begin, const double* x) {
  const int padded = packs_ * lanes;
  const Index depth = std::min(tile_depth, d_ - begin);
  Poll::spend(depth * N_ * (shape_.k + shape_.rank + shape_.n + 8) / 8);
  const Panel X = {x, N_};
  product({task_->W + begin, d_, 1}, shape_.k, X, depth, N_, Y_.data(), N_);
  // Velocities stand between the teacher's directions and the student's rows.
  const int r = shape_.rank, n = shape_.n, together = shape_.first_row == 0 ? r + n : r;
  product({A_.at(0, begin), A_.stride(), 1}, together, X, depth, N_, Y_.data() + padded * N_, N_);
  if (together == r)
    product({A_.at(r + shape_.first_row, begin), A_.stride(), 1}, n, X, depth, N_,
            Y_.data() + (padded + r) * N_, N_);
  if (grams()) gram(X, depth, N_, gram_.data());
}

void Blocks::prepare() {
  back_ = -gamma_;
  back_.rightCols(N_ - position_).setZero();
  projection_.prepare(back_);
  sums_.setZero();
}

void Blocks::form(Rows& rows, Index begin) {
  const int n = shape_.n;
  const Index depth = std::min(tile_depth, d_ - begin);
  if (slow_) Poll::spend(depth * n * (N_ + shape_.k) / 8);
  const double* x = tile_again(begin, depth);
  double* A = rows.at(shape_.rank, begin);
  product_transposed(back_.data(), n, {x, N_}, whole_packs(depth), N_, A, rows.stride(),
                     turned_.data());
  projection_.take_back(begin, depth, A, rows.stride());
  rows.clear_still(begin);
  for (int j = 0; j < n; ++j) rows.scale(j, alpha_[j], begin);
}

void Blocks::settle(Index begin, bool unit) {
  if (!waiting_) return;
  if (begin == 0) prepare();
  if (can_be_left()) next_ = A_;
  Rows& rows = can_be_left() ? next_ : A_;
  for (; begin < d_; begin += tile_depth) form(rows, begin), sum(rows, begin);
  if (shape_.narrow()) put_outside(rows);
  if (steps_ == 1) health_ = sums_.rightCols(shape_.n).trace();
  if (unit) {
    for (int j = 0; j < shape_.n; ++j)
      for (Index c = 0; c < d_; c += tile_depth)
        rows.scale(j, 1 / std::sqrt(sums_(j, shape_.rank + j)), c);
    sum(rows);
  }
  if (slow_) look_at_start(rows);  // by which records would often be cut short
  if (can_be_left()) A_.swap(next_);
  settled();
}

void Blocks::put_outside(Rows& rows) {
  if (!projection_.there()) return;
  const std::vector<double> formed = rows.get();
  Matrix A = Eigen::Map<const Matrix>(formed.data(), shape_.rows, d_);
  projection_.project(A);
  rows.set({A.data(), A.data() + A.size()});
  sum(rows);
}

void Blocks::sum(const Rows& rows, Index begin) {
  if (slow_)
    Poll::spend(tile_depth * shape_.rows * (shape_.rank + (shape_.follow ? shape_.n : 1)) / 8);
  rows.add_products(begin, shape_, sums_);
}

void Blocks::sum(const Rows& rows) {
  sums_.setZero();
  for (Index begin = 0; begin < d_; begin += tile_depth) sum(rows, begin);
}

void Blocks::settled() {
  teacher_now_ = sums_.leftCols(shape_.rank);
  gram_now_ = sums_.rightCols(shape_.rows);
  alpha_.setOnes();
  position_ = 0;
  waiting_ = false;
  start_known_ = slow_;
}

void Blocks::look_at_start(const Rows& rows) {
  Matrix features, gram;
  rows.look(task_->W, shape_.k, features, gram);
  features_start_.swap(features);
  gram_start_.swap(gram);
  start_known_ = true;
}

}  // namespace lrft
