// The sizes that every replica of a run shares.
#pragma once

#include <algorithm>

#include "lrft/footprint.hpp"
#include "lrft/poll.hpp"

namespace lrft {

struct Shape {
  double d;            // input dimension; the same for all in the ambient space
  int k;               // features
  int neurons;         // of the teacher, the first features
  int s;               // dimension of S = span(rows of W, rows of u)
  int features_rank;   // dimension of span(rows of W): the first coordinates of S
  int directions;      // of S along which inputs are not standard normal, the constant's first
  int components;      // of their law
  int blocks;          // of eigenvalues of their covariance; 0: one
  bool constant;       // the first coordinate of S, the last of R^d, is 1
  int rank;            // rank r of the teacher
  int followed;        // of its directions, the first, overlaps are with
  int n;               // rows of the student,
  int rows;            // and with those that an optimiser remembers: the velocities stand before
  int first_row;       // the student's own, which begin here, and the averages after them
  int batch;           // samples a step
  int uses;            // gradients of a batch in a step
  bool ahead;          // all but the last of them are trials
  bool unit;           // the student's rows stay on spheres
  bool project;        // rows move orthogonally to span(W)
  bool still;          // rows do not move along the constant
  int within;          // the first coordinate of S that the student's rows can have,
  int moving;          // and of those along which they move
  bool follow;         // the rows' Gram matrix is asked for at every step
  bool plain;          // the optimiser is descent alone
  bool sized;          // it asks for the length of the gradient
  std::int64_t units;  // of work in a step, about (lrft/poll.hpp)
  Sizes sizes;
  int first() const { return within; }
  // Isotropic parts of the complement of S, each with a factor of its own.
  int complements() const { return std::max(1, blocks); }
  // A step that polls inside, and then keeps what it takes to be undone.  Others would lose
  // speed to it, and end soon enough.
  bool slow() const { return units > 5'000'000; }
  // Rows on spheres have one or two dimensions to turn in.  A step that follows their length by
  // inner products multiplies its error by 1 / |A - g x|^2, whose logarithm has a mean above 0 in
  // one dimension, 0 in two and below it in more; so here every step forms them.
  bool narrow() const { return unit && d - (project ? features_rank : constant) < 3; }
};

// A batch that moves the triangular factor of n rows by rotations (rotations.hpp); with more inputs
// beside the rows, reflections (triangular.hpp) cost less.
inline bool by_rotations(std::int64_t n, std::int64_t batch) { return batch < n / 3; }

inline Shape shape_of(const RunSpec& spec) {
  const TaskData& t = spec.tasks.front();
  const StudentSpec& student = spec.student;
  const StudentFacts facts = student.facts();
  const Sizes sizes = sizes_of(spec);
  const bool still = t.constant && !student.train_biases;
  // Only neurons have a part along the constant.
  const int beside = still && !facts.network ? 1 : 0;
  const int within = student.project ? std::max(t.features_rank, beside) : beside;
  return {t.d,
          t.k,
          t.neurons,
          t.s,
          t.features_rank,
          t.directions,
          t.components,
          t.blocks,
          t.constant,
          t.rank,
          t.followed > 0 ? t.followed : t.rank,
          student.rows,
          student.rows * sizes.copies(),
          sizes.velocity ? student.rows : 0,
          spec.trainings.front().batch,
          spec.trainings.front().uses(),
          spec.trainings.front().lookahead != 0,
          facts.unit_rows,
          student.project,
          still,
          within,
          std::max(within, still ? 1 : 0),
          !facts.single && !facts.network && sizes.watch == WatchKind::overlaps,
          std::all_of(spec.trainings.begin(), spec.trainings.end(),
                      [](const TrainingData& plan) { return plan.optimiser.plain(); }),
          std::any_of(spec.trainings.begin(), spec.trainings.end(),
                      [](const TrainingData& plan) { return plan.optimiser.sized(); }),
          footprint(sizes).units,
          sizes};
}

// Steps of a block of inputs in R^d (blocks.hpp): so many that inputs come in packs of eight
// with as few left over as can be.  It has more inputs where W is so large that it is read
// from afar for each block, and few at large d, where one takes milliseconds and a resumed run
// replays its block.
inline int block_steps(double d, int batch) {
  const int most = d > 1 << 20 ? 8 : 32;
  const int more_than = d > 1 << 20 ? 0 : d > 1 << 14 ? 24 : 8;
  int steps = std::max(1, most / batch), best = most;
  for (int s = 1; s * batch <= most; ++s) {
    const int inputs = s * batch, padding = (8 - inputs % 8) % 8;
    // padding / inputs is less than that of the best so far
    if (inputs > more_than && padding * steps < best * s) steps = s, best = padding;
  }
  return steps;
}

// The first `kept` of every `all` numbers.
inline std::vector<double> first_of_each(const std::vector<double>& x, int all, int kept) {
  std::vector<double> out;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (static_cast<int>(i % static_cast<std::size_t>(all)) < kept) out.push_back(x[i]);
  return out;
}

// What the population quantities and overlaps need to know of a student's rows
// A: their inner products with the features, the teacher's directions and each other.  Of these the
// constant is no part: it is a mean, and large biases would take the digits of all else.
struct Statistics {
  std::vector<double> features;  // (n, k)  A W^T
  std::vector<double> teacher;   // (n, r)  A u^T
  std::vector<double> gram;      // (n, n)  A A^T
  std::vector<double> cosines;   // of the rows with u as subspaces, where they are followed
  std::vector<double> inside;    // (n, s)  coordinates in S, where they are recorded and known
  std::vector<double> along;     // (n, q)  A V^T, where inputs have a law of their own; and along
                                 //         the constant, b / neuron_scale
  std::vector<double> beyond;    // (n, n)  what their variances outside S add to A A^T
  std::vector<double> blocks;    // (J, n, n)  A_j A_j^T in each eigenvalue block of theirs
};

}  // namespace lrft
