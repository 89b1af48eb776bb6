// How large a run is, from its sizes alone: what each part of it holds, and what a step costs.
#pragma once

#include "lrft/types.hpp"

namespace lrft {

// What follows a run (train/watch.hpp); each has statistics of its own (lrft/statistic.hpp).
//   overlaps  beside a teacher: the overlap with it, and the exact loss
//   errors    beside labels that are given
enum class WatchKind { overlaps, errors };
template <>
struct Names<WatchKind> {
  static constexpr std::array all = {"overlaps", "errors"};
};

// The sizes of a run, as the core sees them: rows of a start that are features count in k and s.
struct Sizes {
  bool ambient = false;  // R^d, else the reduced space
  WatchKind watch = WatchKind::overlaps;
  double d = 0;               // input dimension
  std::int64_t k = 0;         // features
  std::int64_t neurons = 0;   // of the teacher
  std::int64_t s = 0;         // dimension of S
  std::int64_t rank = 1;      // of the teacher
  std::int64_t followed = 0;  // of its directions overlaps are with; 0: all
  LinkKind link = LinkKind::none;
  std::int64_t directions = 0;  // along which inputs are not standard normal, the constant's too
  std::int64_t blocks = 0;      // of eigenvalues of their covariance; 0: one
  bool constant = false;        // d and s count a coordinate that is 1, for biases
  std::int64_t rows = 1;        // of the student
  bool velocity = false;        // an optimiser remembers as many rows more,
  bool average = false;         // and as many again
  StudentKind kind = StudentKind::rank_one;
  bool linearized = false;  // in its neurons or parameters
  std::int64_t batch = 1;
  std::int64_t uses = 1;                          // of a batch
  LossData::Kind loss = LossData::Kind::squared;  // of the trainings
  std::int64_t nonzero = -1;                      // entries of R that are not 0; -1: all may be
  std::vector<std::string> parameters;  // statistics that are recorded where asked for, by name

  // Rows with what an optimiser remembers of them, in units of those of the student.
  int copies() const { return 1 + (velocity ? 1 : 0) + (average ? 1 : 0); }
  // Isotropic parts of the complement of S.
  std::int64_t complements() const { return blocks > 0 ? blocks : 1; }
};
template <>
struct Fields<Sizes> {
  using T = Sizes;
  static constexpr auto all = std::make_tuple(
      field("ambient", &T::ambient), field("watch", &T::watch), field("d", &T::d),
      field("k", &T::k), field("neurons", &T::neurons), field("s", &T::s), field("rank", &T::rank),
      field("link", &T::link), field("rows", &T::rows), field("velocity", &T::velocity),
      field("average", &T::average), field("kind", &T::kind), field("linearized", &T::linearized),
      field("batch", &T::batch), field("uses", &T::uses), field("loss", &T::loss),
      field("nonzero", &T::nonzero), field("followed", &T::followed),
      field("parameters", &T::parameters), field("directions", &T::directions),
      field("blocks", &T::blocks), field("constant", &T::constant));
};

// Bytes are of what grows with the sizes, about; counts are exact.
struct Footprint {
  int lanes = 0;            // replicas that a thread works on at a time
  double least_d = 0;       // at which the reduced space is exact
  double longest = 0;       // numbers of the longest array; below 2^31, since an int counts them
  double own = 0;           // numbers of the own parameters
  double counters = 0;      // of the random stream that a step takes; at most 2^32
  double task_bytes = 0;    // of a task: its features in R^d, or their coordinates
  double state_bytes = 0;   // of a student that is kept: rows and own parameters
  double record_bytes = 0;  // of one record of a replica
  double thread_bytes = 0;  // of a thread's arrays, without
  double batch_bytes = 0;   // those that hold a batch
  std::int64_t units = 0;   // of work that a step of a thread's replicas takes (lrft/poll.hpp)
};
template <>
struct Fields<Footprint> {
  using T = Footprint;
  static constexpr auto all = std::make_tuple(
      field("lanes", &T::lanes), field("least_d", &T::least_d), field("longest", &T::longest),
      field("own", &T::own), field("counters", &T::counters), field("task_bytes", &T::task_bytes),
      field("state_bytes", &T::state_bytes), field("record_bytes", &T::record_bytes),
      field("thread_bytes", &T::thread_bytes), field("batch_bytes", &T::batch_bytes),
      field("units", &T::units));
};

// Costs nothing: no array is looked at.
Footprint footprint(const Sizes& sizes);

// Of a run whose tasks, students and trainings are there.
Sizes sizes_of(const RunSpec& spec);

}  // namespace lrft
