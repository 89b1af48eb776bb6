// What a space is: where inputs live, and how rows move along them.
//
// The step never sees d, the student never sees an input, the space never sees a parameter that
// is not a row.  docs: cpp/README.md, "How to add a space".
#pragma once

#include <concepts>
#include <cstdint>
#include <vector>

#include "simd/layout.hpp"
#include "space/shape.hpp"

namespace lrft {

// What a student sees of an input x; Taught: what its teacher sees too.
template <class Scalar>
struct Input {
  const Pack* features;  // (k, in packs)  W x
  const Scalar* rows;    // (n)  A x
};
template <class Scalar>
struct TaughtInput : Input<Scalar> {
  const Scalar* teacher;  // (r)  u x
};
// One of the general step.  Its fields may be those of a trial, while the rows move from where they
// were before it; and what its teacher sees is null where labels are whole.
template <class X>
struct GeneralInput : X {
  decltype(X::rows) from;  // (n)  A x of the rows that move
};
template <class X>
LRFT_INLINE auto rows_that_move(const X& x) {
  if constexpr (requires { x.from; })
    return x.from;
  else
    return x.rows;
}
template <class X>
concept Taught = requires(const X& x) { x.teacher; };
template <class X>
LRFT_INLINE bool taught(const X& x) {
  if constexpr (requires {
                  x.from;
                  x.teacher;
                })
    return x.teacher != nullptr;
  else
    return Taught<X>;
}

// How the rows A (n x d) move under a batch X (b x d):
//   A <- M A - G^T X,   and each row is made unit where they stay on spheres.
// This is what students ask for, and the spaces know.  A move of another type, as + K Q^T (rows
// drawn to a point of S), is a `move` more in each space it is for (cpp/README.md, "How to add").
template <class Scalar>
struct Move {
  const Scalar* G;  // (b, n)
  const Scalar* M;  // (n)  its diagonal; off it there is nothing
  bool unit;
};

// The same of rows with what an optimiser remembers of them, `groups` times n (`Shape`).  With the
// gradient g = G^T X of the student's own, row j of group a is
//   row (a, j) <- sum_c M[a][c][j] row (c, j) - gamma[a][j] g_j,
// and the student's own rows are made unit where they stay on spheres.
template <class Scalar>
struct MixedMove {
  const Scalar* M;      // (groups, groups, n)
  const Scalar* gamma;  // (groups, n)
  bool unit;
};

// What a step asks of a space that has drawn its batch.
template <class B>
concept Batch = requires(B& batch, const B& seen, int b, const Move<typename B::Scalar>& move) {
  typename B::Layout;                      // how replicas and neurons sit in packs
  { seen.inputs() } -> std::same_as<int>;  // of this step
  // batch / inputs, since G is a mean over a batch
  { seen.share() } -> std::convertible_to<double>;
  { seen.input(b) } -> std::same_as<typename B::Input>;
  // Of a taught input, what is added to the teacher's output: noise.  Else all of it.
  { seen.label(b) } -> std::convertible_to<typename B::Scalar>;
  batch.move(move);
  { seen.health() } -> std::convertible_to<typename B::Scalar>;  // squares of the moved rows
};

// A batch that may be used again.
template <class B>
concept Reusable = Batch<B> && requires(B& batch) {
  batch.again();  // the fields of the rows as they are now
  batch.done();   // no more of this batch
  batch.mark();   // the rows are to be
  batch.back();   // ... what they are here
};

// One whose optimiser may remember something (`MixedMove`): the gradient G^T X, and then the sum of
// the squares of its rows; the inner product of row j with its velocity; a move along it.
template <class B>
concept Remembering =
    Batch<B> && requires(B& batch, const B& seen, int j, const Move<typename B::Scalar>& move,
                         const MixedMove<typename B::Scalar>& mixed) {
      batch.take_gradient(move.G);
      { seen.gradient_square() } -> std::convertible_to<typename B::Scalar>;
      { seen.along_velocity(j) } -> std::convertible_to<typename B::Scalar>;
      batch.move(mixed);
    };

// One with a replica in each lane: whether there is one.  What a lane that rests is given may be
// what is another's.
template <class S>
concept InLanes = S::Layout::replicas == 1 ||
                  requires(S& space, int lane, bool runs) { space.set_runs(lane, runs); };

template <class S>
concept Space =
    Batch<S> && InLanes<S> && std::constructible_from<S, const Shape&, const RunSpec&> &&
    requires(S& space, const S& seen, int lane, const TaskData& task, std::uint32_t replica,
             const std::vector<double>& rows, const StudentSpec& student,
             const std::uint64_t* steps, std::int64_t t, typename S::Scalar* out) {
      // One replica in and out of a lane; rows in a form of the space's own.
      space.set_task(lane, task, replica);
      space.set_rows(lane, rows);
      { space.rows_of(lane) } -> std::same_as<std::vector<double>>;
      // The student's rows alone; of one that is `Remembering`, (lane, share): their averages, with
      // a share of the rows themselves.
      { space.rows_now(lane) } -> std::same_as<std::vector<double>>;
      // The student's rows among those that an optimiser remembers, as it does at step 0.
      { seen.with_memory(rows) } -> std::convertible_to<std::vector<double>>;
      // A path can go on from the rows `steps_back` steps ago; `replays`: that may be more than 0.
      { seen.steps_back(t) } -> std::same_as<std::int64_t>;
      { S::replays } -> std::convertible_to<bool>;
      { S::labelled } -> std::convertible_to<bool>;  // labels are given: there is no teacher
      { seen.draw_rows(task, replica, bool()) } -> std::same_as<std::vector<double>>;
      { seen.given_rows(student) } -> std::same_as<std::vector<double>>;
      // Where among them the part of row j along the constant is.
      { seen.bias_at(lane) } -> std::convertible_to<std::size_t>;
      // The inputs of step `steps[lane]` of each lane; taken back if their step is left.
      space.draw(steps);
      space.undo_draw();
      // Looking at the rows.
      { space.statistics(lane, task) } -> std::same_as<Statistics>;
      { seen.overlap() } -> std::convertible_to<typename S::Scalar>;
      seen.products(out, out);
    };

}  // namespace lrft
