// The core's interface: what a run is given, what it does, what it gives back.
// Plain types only; one engine behind it per instruction set.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "lrft/activation.hpp"

namespace lrft {

// One teacher and the base network it perturbs.  Arrays are row-major.
struct TaskData {
  double d = 0;             // input dimension
  int k = 0;                // features: the neurons', then the start of a linearised student
  int neurons = 0;          // of the teacher; the others have no output weight
  int s = 0;                // dimension of S = span(rows of W, rows of u)
  int features_rank = 0;    // the first coordinates of S span the rows of W
  int rank = 1;             // rank r of the teacher's perturbation
  std::vector<double> R;    // (k, s)  W = R Qt
  std::vector<double> a;    // (r, s)  u = a Qt
  std::vector<double> c;    // (k, r)
  std::vector<double> lam;  // (k)
  double xi = 1, neuron_scale = 1, output_scale = 1, noise = 0;
  // Ambient space only; owned by the caller for the life of the run.
  const double* W = nullptr;  // (k, d)
  const double* u = nullptr;  // (r, d)
};

// Of what is trained.
//   rank_one  neurons w_i + scale B_i A, A the unit vector u-hat, B the unit vector c-hat, scale =
//   xi lora      neurons w_i + scale sum_j B_ij A_j, rows A (n, d), B (k, n) full      a network of
//   its own: n neurons, the rows, and n output weights
enum class StudentKind { rank_one, lora, full };
// How own parameters and rows start.
enum class InitOwn { quantized, sphere, given, signs, gaussian };
enum class InitRows { uniform, favourable, given };

// "Own" are the parameters that are not rows: B (k, n), or the output weights (n) of a full
// network.
struct StudentSpec {
  StudentKind kind = StudentKind::rank_one;
  int rows = 1;
  // Taylor expansion to first order: of rank-one in its neurons around the base, of the
  // others in their parameters around the start, whose rows are features from `start` on.
  bool linearized = false;
  int start = 0;
  bool train_own = false;  // move B or the output weights as well
  bool project = true;     // Pi: rows move orthogonally to span(W)
  InitOwn init_own = InitOwn::quantized;
  InitRows init_rows = InitRows::uniform;
  double scale = 1;                // of the perturbation
  double rows_std = 1;             // of rows that start normal
  double own_std = 1;              // of own parameters that start normal
  std::vector<double> own;         // when given
  std::vector<double> rows_S;      // (n, s) when given: coordinates in S ...
  std::vector<double> rows_rest;   // (n, n) ... and lower-triangular rest; reduced space
  const double* rows_x = nullptr;  // (n, d) when given; ambient space

  // What follows from the kind.  Do rows and own parameters stay on unit spheres?
  bool spherical() const { return kind == StudentKind::rank_one; }
  // Are the rows neurons?  Else the neurons are those of the base, perturbed.
  bool network() const { return kind == StudentKind::full; }
  // Numbers that are own parameters, beside a teacher of so many neurons.
  std::size_t own_size(int neurons) const {
    return static_cast<std::size_t>(network() ? rows : neurons * rows);
  }
};

struct Schedule {
  enum class Kind { constant, inverse_time, step, array };
  Kind kind = Kind::constant;
  double rate = 0;               // at step 0
  double scale = 1;              // inverse_time: rate / (1 + t / scale)
  double factor = 1, every = 1;  // step: rate factor^floor(t / every)
  std::vector<double> values;    // array
  double at(std::int64_t t) const;
};

struct TrainingData {
  std::int64_t steps = 0;
  int batch = 1;
  Schedule lr, lr_own;
  double stop_at = 1e300;               // on |overlap_u|; above 1: never
  double stop_loss = -1;                // checked at records; below 0: never
  std::vector<std::int64_t> record;     // increasing, within [0, steps]
  std::vector<double> thresholds;       // increasing, on |overlap_u|, every step
  std::vector<double> loss_thresholds;  // decreasing, at records
  int patience = 0;                     // data: records without a new least held-out error; 0: any
};

// Samples that are given; owned by the caller for the life of the run.
struct Samples {
  std::int64_t rows = 0, columns = 0;
  const char* X = nullptr;  // (rows, d), any strides, in bytes
  bool single = false;      // float32, else float64
  std::int64_t row_stride = 0, column_stride = 0;
  const double* y = nullptr;  // (rows)
};
// What a student is fitted to in place of a teacher.
struct DataSet {
  Samples train, held_out;  // nothing may be held out
  std::int64_t pass = 0;    // samples of a pass
  std::int64_t first = 0;   // of them in `train`, if that is a window
  bool shuffle = false;     // every pass has an order of its own
  bool given() const { return train.y != nullptr; }
};

// What is seen of a student at one step; before anybody looked, no overlaps and NaN.
struct Observation {
  std::vector<double> overlap_u, overlap_c;
  double loss = std::numeric_limits<double>::quiet_NaN();
};

// What becomes of one replica of one task.  It is also the whole saved state:
// a run restored from its chains goes on bit for bit.
//
// Diverged: the squares of a step's errors, of the rows and of the own parameters that moved in it,
// the last two before they were made unit, together exceed `diverged_above` or are no number.
// Asked at every step.
inline constexpr double diverged_above = 1e300;
enum class Status : int { waiting = 0, running, converged, finished, diverged };
struct Chain {
  int task = 0, training = 0;
  std::uint32_t replica = 0;
  Status status = Status::waiting;
  std::int64_t step = 0;                           // updates done
  std::vector<double> overlap_u, overlap_c, loss;  // at records reached; overlaps may be several
  std::vector<std::int64_t> hits;                  // per threshold, -1 never
  std::vector<std::int64_t> loss_hits;             // per loss threshold
  double last_overlap = 0;
  // At `step`: of a chain that ended and did not diverge, and of one that `observe` looked at.
  Observation last;
  // State of the student: at step `state_step`, from which replay starts.
  std::int64_t state_step = 0;
  std::vector<double> rows;  // reduced: P (n,s) then L (n,n); ambient: A (n,d)
  std::vector<double> own;   // (k, n), or (n) of a full network
  // Data only.  `loss` is the mean squared error of the samples since the last record, each
  // before its update: so far `squared` over `seen` samples.
  double squared = 0;
  std::int64_t seen = 0;
  std::vector<double> held_out;             // mean squared errors, at records
  std::int64_t kept_step = -1;              // of the student that is handed back:
  std::vector<double> kept_rows, kept_own;  // the last, or that of the least held-out error
};

struct RunSpec {
  bool ambient = false;
  ActivationSpec activation;
  std::vector<TaskData> tasks;          // equal k, s, rank, features_rank
  StudentSpec student;                  // one for all, or one a task
  std::vector<StudentSpec> students;    // empty, or (tasks): initial values that differ
  std::vector<TrainingData> trainings;  // equal batch
  std::vector<Chain> chains;
  std::uint64_t seed = 0;
  int threads = 1;
  bool keep_state = false;  // keep the final student of every chain
  DataSet data;             // in place of a teacher, which has no effect
  bool keep_best = false;   // data: hand back the student of the least held-out error
};

class Run {
 public:
  virtual ~Run() = default;
  // Works for about `seconds` on all threads; true when every chain has ended.
  // The calling thread asks `interrupted` every few hundredths of a second; when it says yes,
  // all work stops within milliseconds, a step that is not done leaves no trace, and advance
  // returns false.
  virtual bool advance(double seconds, const std::function<bool()>& interrupted) = 0;
  virtual const std::vector<Chain>& chains() const = 0;
  // Updates done so far, over all chains.
  virtual std::int64_t steps_done() const = 0;
  // Brings the state of running students into their chains.
  virtual void save() = 0;
  // Looks at running students where they stand, into `last` of their chains; costs a record each.
  virtual void observe() = 0;
};

std::unique_ptr<Run> make_run(const RunSpec& spec);

}  // namespace lrft
