// Plain types: what a run is given and what becomes of its replicas, each with its list of fields.
// Arrays are row-major.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "lrft/activation.hpp"
#include "lrft/fields.hpp"

namespace lrft {

// What a teacher that is no perturbed base makes of the fields t = u x of its directions.
//   none         the teacher is the base with xi c u^T, whose neurons see W x as well
//   network      sum_i weights_i sigma*(t_i + biases_i), sigma* the run's `link_activation`
//   multi_index  sum_m weights_m prod_j he_p(t_j), p = powers_mj, normalised Hermite polynomials;
//                the directions are orthonormal
enum class LinkKind { none, network, multi_index };
template <>
struct Names<LinkKind> {
  static constexpr std::array all = {"none", "network", "multi_index"};
};

// One teacher and the base network beside it.  Arrays are row-major.
struct TaskData {
  double d = 0;             // input dimension
  int k = 0;                // features: the neurons', then the start of a linearised student
  int neurons = 0;          // of the teacher; the others have no output weight
  int s = 0;                // dimension of S = span(rows of W, rows of u)
  int features_rank = 0;    // the first coordinates of S span the rows of W
  int rank = 1;             // directions r of the teacher: the rank of its perturbation
  int followed = 0;         // overlaps are with the first of its directions; 0: with all
  Given<double> R;          // (k, s)  W = R Qt
  std::vector<double> a;    // (r, s)  u = a Qt
  std::vector<double> c;    // (k, r)
  std::vector<double> lam;  // (k)
  double xi = 1, neuron_scale = 1, output_scale = 1, noise = 0;
  LinkKind link = LinkKind::none;
  int terms = 0;                // of a multi-index link
  std::vector<double> weights;  // (r) of a network, (terms) of a multi-index link
  std::vector<int> powers;      // (terms, r)
  std::vector<double> biases;   // (r) of a network, or none
  // The law of x within S, that of its complement being standard normal (space/law.hpp):
  //   x <- x + V^T (stretch (V x) + mean_c),   component c drawn with these probabilities,
  // and shift_c is added to the label.
  int directions = 0;                 // q, along which x is not standard normal
  int components = 0;                 // m, at least 1 where there are directions
  bool constant = false;              // the first coordinate of S, the last of R^d, is 1: biases
  std::vector<double> V;              // (q, s)  orthonormal rows; the first is the constant's
  std::vector<double> stretch;        // (q)
  std::vector<double> probabilities;  // (m)
  std::vector<double> means;          // (m, q)
  std::vector<double> shifts;         // (m)
  // Eigenvalue blocks of the covariance: consecutive coordinates of R^d, the constant apart, with a
  // variance each.  S holds every fixed row's part in every block: it is the sum of its parts, V is
  // made of bases of them, block by block, and stretch + 1 is the root of their variance.
  int blocks = 0;                 // J; 0: one, of variance 1
  std::vector<double> block_d;    // (J)  coordinates of R^d
  std::vector<int> block_s;       // (J)  dimensions of S
  std::vector<double> variances;  // (J)
  // Ambient space only.
  Given<double> W;    // (k, d)
  Given<double> u;    // (r, d)
  Given<double> V_x;  // (q, d)
};
template <>
struct Fields<TaskData> {
  using T = TaskData;
  static Dims in_space(int rows, double d) {
    return {rows, static_cast<std::int64_t>(d < 2147483648.0 ? d : 0)};
  }
  static constexpr auto all = std::make_tuple(
      field("d", &T::d), field("k", &T::k), field("neurons", &T::neurons), field("s", &T::s),
      field("features_rank", &T::features_rank), field("rank", &T::rank),
      field("followed", &T::followed), field("R", &T::R, [](const T& t) { return Dims{t.k, t.s}; }),
      field("a", &T::a, [](const T& t) { return Dims{t.rank, t.s}; }),
      field("c", &T::c, [](const T& t) { return Dims{t.k, t.rank}; }),
      field("lam", &T::lam, [](const T& t) { return Dims{t.k}; }), field("xi", &T::xi),
      field("neuron_scale", &T::neuron_scale), field("output_scale", &T::output_scale),
      field("noise", &T::noise), field("link", &T::link), field("terms", &T::terms),
      field("weights", &T::weights), field("powers", &T::powers),
      field("W", &T::W, [](const T& t) { return in_space(t.k, t.d); }),
      field("u", &T::u, [](const T& t) { return in_space(t.rank, t.d); }),
      field("biases", &T::biases), field("directions", &T::directions),
      field("components", &T::components), field("constant", &T::constant),
      field("V", &T::V, [](const T& t) { return Dims{t.directions, t.s}; }),
      field("stretch", &T::stretch, [](const T& t) { return Dims{t.directions}; }),
      field("probabilities", &T::probabilities, [](const T& t) { return Dims{t.components}; }),
      field("means", &T::means, [](const T& t) { return Dims{t.components, t.directions}; }),
      field("shifts", &T::shifts, [](const T& t) { return Dims{t.components}; }),
      field("V_x", &T::V_x, [](const T& t) { return in_space(t.directions, t.d); }),
      field("blocks", &T::blocks),
      field("block_d", &T::block_d, [](const T& t) { return Dims{t.blocks}; }),
      field("block_s", &T::block_s, [](const T& t) { return Dims{t.blocks}; }),
      field("variances", &T::variances, [](const T& t) { return Dims{t.blocks}; }));
};

// Of what is trained.
//   rank_one  neurons w_i + scale B_i A; A and B are the unit vectors u-hat and c-hat, scale = xi
//   lora      neurons w_i + scale sum_j B_ij A_j, rows A (n, d), B (k, n)
//   sphere_lora  the same, the rows of A on unit spheres
//   full      a network of its own: n neurons, the rows, and n output weights
enum class StudentKind { rank_one, lora, full, sphere_lora };
template <>
struct Names<StudentKind> {
  static constexpr std::array all = {"rank_one", "lora", "full", "sphere_lora"};
};
// How own parameters and rows start.
enum class InitOwn { quantized, sphere, given, signs, gaussian };
template <>
struct Names<InitOwn> {
  static constexpr std::array all = {"quantized", "sphere", "given", "signs", "gaussian"};
};
enum class InitRows { uniform, favourable, given };
template <>
struct Names<InitRows> {
  static constexpr std::array all = {"uniform", "favourable", "given"};
};

// What follows from a student's kind.
struct StudentFacts {
  bool network = false;    // rows are neurons; else neurons are those of the base, perturbed
  bool single = false;     // one row beside one direction: their overlaps have signs, and it is
                           // expanded in its neurons; others have angles between subspaces
  bool unit_rows = false;  // rows stay on unit spheres
  bool unit_own = false;   // and own parameters
};
constexpr StudentFacts facts_of(StudentKind kind) {
  switch (kind) {
    case StudentKind::rank_one:
      return {.single = true, .unit_rows = true, .unit_own = true};
    case StudentKind::lora:
      return {};
    case StudentKind::full:
      return {.network = true};
    case StudentKind::sphere_lora:
      return {.unit_rows = true};
  }
  return {};
}

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
  bool project = false;    // Pi: rows move orthogonally to span(W)
  // Rows of a full network move along the constant; those of others have no part of it.
  bool train_biases = false;
  InitOwn init_own = InitOwn::given;
  InitRows init_rows = InitRows::given;
  double scale = 1;               // of the perturbation
  double rows_std = 1;            // of rows that start normal
  double own_std = 1;             // of own parameters that start normal
  std::vector<double> own;        // when given
  std::vector<double> rows_S;     // (n, s) when given: coordinates in S ...
  std::vector<double> rows_rest;  // (J, n, n) ... and lower-triangular rest; reduced space
  Given<double> rows_x;           // (n, d) when given; ambient space
  std::vector<double> biases;     // (n), or none: the rows' start along the constant

  StudentFacts facts() const { return facts_of(kind); }
  // Numbers that are own parameters, beside a teacher of so many neurons.
  std::size_t own_size(int neurons) const {
    return static_cast<std::size_t>(facts().network ? rows : neurons * rows);
  }
};
template <>
struct Fields<StudentSpec> {
  using T = StudentSpec;
  static constexpr auto all = std::make_tuple(
      field("kind", &T::kind), field("rows", &T::rows), field("linearized", &T::linearized),
      field("start", &T::start), field("train_own", &T::train_own), field("project", &T::project),
      field("init_own", &T::init_own), field("init_rows", &T::init_rows), field("scale", &T::scale),
      field("rows_std", &T::rows_std), field("own_std", &T::own_std), field("own", &T::own),
      field("rows_S", &T::rows_S), field("rows_rest", &T::rows_rest), field("rows_x", &T::rows_x),
      field("train_biases", &T::train_biases), field("biases", &T::biases));
};

struct Schedule {
  enum class Kind { constant, inverse_time, step, cosine, array };
  Kind kind = Kind::constant;
  double rate = 0;             // at step 0
  double scale = 1;            // steps in which it changes; t below counts in them
  double factor = 1;           // step: rate factor^floor(t); inverse_time: rate / (1 + t)
  double final = 0;            // cosine: from rate to this one, which is kept from t = 1 on
  std::vector<double> values;  // array: one a step
  std::int64_t warm_up = 0;    // steps of a linear rise to the rate at step 0, before all these
  double at(std::int64_t step) const;

 private:
  double after_warm_up(std::int64_t step) const;
};
template <>
struct Names<Schedule::Kind> {
  static constexpr std::array all = {"constant", "inverse_time", "step", "cosine", "array"};
};
template <>
struct Fields<Schedule> {
  using T = Schedule;
  static constexpr auto all =
      std::make_tuple(field("kind", &T::kind), field("rate", &T::rate), field("scale", &T::scale),
                      field("factor", &T::factor), field("final", &T::final),
                      field("values", &T::values), field("warm_up", &T::warm_up));
};

// The loss of one sample, of the student's output f and the label y (train/loss.hpp).
struct LossData {
  enum class Kind { squared, correlation, huber, logistic };
  Kind kind = Kind::squared;
  double delta = 1;  // huber: the error from which on it is linear
  double flip = 0;   // logistic: the probability that a label is turned over
};
template <>
struct Names<LossData::Kind> {
  static constexpr std::array all = {"squared", "correlation", "huber", "logistic"};
};
template <>
struct Fields<LossData> {
  using T = LossData;
  static constexpr auto all =
      std::make_tuple(field("kind", &T::kind), field("delta", &T::delta), field("flip", &T::flip));
};

// What is done with gradients before they move rows and own parameters, beside a rate.
struct OptimiserSpec {
  double momentum = 0;        // of the velocity, below 1; 0: there is none
  double velocity = 1;        // how much of the velocity moves parameters,
  double gradient = 0;        // and of the gradient beside it
  double decay = 0;           // parameters lose the share rate times decay of themselves a step
  bool normalise = false;     // the gradient is made unit
  double clip = 0;            // the largest length of the gradient; 0: any
  std::int64_t average = -1;  // the first step of which the state is averaged; -1: none is
  // Descent alone?
  bool plain() const { return momentum == 0 && decay == 0 && !sized() && average < 0; }
  // Is the gradient's length asked for?
  bool sized() const { return normalise || clip > 0; }
};
template <>
struct Fields<OptimiserSpec> {
  using T = OptimiserSpec;
  static constexpr auto all = std::make_tuple(
      field("momentum", &T::momentum), field("velocity", &T::velocity),
      field("gradient", &T::gradient), field("decay", &T::decay), field("normalise", &T::normalise),
      field("clip", &T::clip), field("average", &T::average));
};

struct TrainingData {
  std::int64_t steps = 0;
  int batch = 1;
  int reuse = 1;         // times in a row that a batch is used
  double lookahead = 0;  // not 0: the gradient is that after a trial at so many times the rates
  Schedule lr, lr_own;
  LossData loss;
  OptimiserSpec optimiser;
  double stop_at = 1e300;               // on |overlap_u|; above 1: never
  double stop_loss = -1e300;            // checked at records; no loss is as small
  std::vector<std::int64_t> record;     // increasing, within [0, steps]
  std::vector<double> thresholds;       // increasing, on |overlap_u|, every step
  std::vector<double> loss_thresholds;  // decreasing, at records
  int patience = 0;                     // data: records without a new least held-out error; 0: any
  std::vector<std::string> parameters;  // statistics that are recorded where asked for, by name

  // Gradients of a batch in a step.
  int uses() const { return lookahead != 0 ? 2 : reuse; }
  // Does the plain step do all that it asks for (train/run_on.hpp)?
  bool plain() const {
    return loss.kind == LossData::Kind::squared && uses() == 1 && optimiser.plain();
  }
};
template <>
struct Fields<TrainingData> {
  using T = TrainingData;
  static constexpr auto all = std::make_tuple(
      field("steps", &T::steps), field("batch", &T::batch), field("reuse", &T::reuse),
      field("lookahead", &T::lookahead), field("lr", &T::lr), field("lr_own", &T::lr_own),
      field("loss", &T::loss), field("optimiser", &T::optimiser), field("stop_at", &T::stop_at),
      field("stop_loss", &T::stop_loss), field("record", &T::record),
      field("thresholds", &T::thresholds), field("loss_thresholds", &T::loss_thresholds),
      field("patience", &T::patience), field("parameters", &T::parameters));
};

// Samples that are given, as they lie in memory.
struct Samples {
  std::int64_t rows = 0, columns = 0;
  Given<char> X;        // (rows, d), any strides, in bytes
  bool single = false;  // float32, else float64
  std::int64_t row_stride = 0, column_stride = 0;
  Given<double> y;  // (rows)
};
// What a student is fitted to in place of a teacher.
struct DataSet {
  Samples train, held_out;  // nothing may be held out
  std::int64_t pass = 0;    // samples of a pass
  std::int64_t first = 0;   // of them in `train`, if that is a window
  bool shuffle = false;     // every pass has an order of its own
  bool given() const { return train.y != nullptr; }
};
template <>
struct Fields<DataSet> {
  using T = DataSet;
  static constexpr auto all = std::make_tuple(
      field("train", &T::train), field("held_out", &T::held_out), field("pass_", &T::pass),
      field("first", &T::first), field("shuffle", &T::shuffle));
};

// The statistics of a student, in the order of `statistics` (lrft/statistic.hpp): at one step, or
// at all records one after the other.  Those that are not recorded are empty.
struct Records {
  std::vector<std::vector<double>> values;
  std::vector<double>& operator[](std::size_t i) { return values[i]; }
  const std::vector<double>& operator[](std::size_t i) const { return values[i]; }
};

// What becomes of one replica of one task.  It is also the whole saved state:
// a run restored from its chains goes on bit for bit.
//
// Diverged: the squares of a step's errors, of the rows with what an optimiser remembers of them,
// and of the own parameters that moved in it, before any were made unit, together exceed
// `diverged_above` or are no number.  Asked at every step.
inline constexpr double diverged_above = 1e300;
//
// Failed: said from outside, of one that diverged because its activation is a function that raised.
enum class Status : int { waiting = 0, running, converged, finished, diverged, failed };
template <>
struct Names<Status> {
  static constexpr std::array all = {"waiting",  "running",  "converged",
                                     "finished", "diverged", "failed"};
};
struct Chain {
  int task = 0, training = 0;
  std::uint32_t replica = 0;
  Status status = Status::waiting;
  std::int64_t step = 0;                // updates done
  std::int64_t recorded = 0;            // records reached
  Records records;                      // at these
  std::vector<std::int64_t> hits;       // per threshold, -1 never
  std::vector<std::int64_t> loss_hits;  // per loss threshold
  double last_overlap = 0;
  // At `step`: of a chain that ended and did not diverge, and of one that `observe` looked at.
  Records last;
  // State of the student: at step `state_step`, from which replay starts.
  std::int64_t state_step = 0;
  // Reduced: P (n,s) then L (J,n,n); ambient: A (n,d).  Of a chain that runs with all that its
  // optimiser remembers: more rows (Shape), and as many copies of own parameters one after another.
  std::vector<double> rows;
  std::vector<double> own;  // (k, n), or (n) of a full network
  // Data only.
  double squared = 0;                       // losses since the last record, each before its update
  std::int64_t seen = 0;                    // samples they are of
  std::int64_t kept_step = -1;              // of the student that is handed back:
  std::vector<double> kept_rows, kept_own;  // the last, or that of the least held-out error
};
template <>
struct Fields<Chain> {
  using T = Chain;
  static constexpr auto all = std::make_tuple(
      field("task", &T::task), field("training", &T::training), field("replica", &T::replica),
      field("status", &T::status), field("step", &T::step), field("recorded", &T::recorded),
      field("records", &T::records), field("hits", &T::hits), field("loss_hits", &T::loss_hits),
      field("last_overlap", &T::last_overlap), field("last", &T::last),
      field("state_step", &T::state_step), field("rows", &T::rows), field("own", &T::own),
      field("squared", &T::squared), field("seen", &T::seen), field("kept_step", &T::kept_step),
      field("kept_rows", &T::kept_rows), field("kept_own", &T::kept_own));
};

struct RunSpec {
  bool ambient = false;
  ActivationSpec activation;
  ActivationSpec link_activation;       // of teachers that are networks of their own
  std::vector<TaskData> tasks;          // equal k, s, rank, features_rank, link, powers, q, J
  StudentSpec student;                  // the first: what all have in common is its
  std::vector<StudentSpec> students;    // one a task: initial values may differ
  std::vector<TrainingData> trainings;  // equal batch, used in one way
  std::vector<Chain> chains;
  std::uint64_t seed = 0;
  int threads = 1;
  bool keep_state = false;  // keep the final student of every chain
  DataSet data;             // in place of a teacher, which has no effect
  bool keep_best = false;   // data: hand back the student of the least held-out error

  // Does it take the plain step (train/run_on.hpp)?
  bool plain() const {
    const TaskData& task = tasks.front();
    return trainings.front().plain() &&
           (data.given() || (task.link == LinkKind::none && task.blocks == 0));
  }
};
template <>
struct Fields<RunSpec> {
  using T = RunSpec;
  static constexpr auto all =
      std::make_tuple(field("ambient", &T::ambient), field("activation", &T::activation),
                      field("link_activation", &T::link_activation), field("tasks", &T::tasks),
                      field("students", &T::students), field("trainings", &T::trainings),
                      field("chains", &T::chains), field("seed", &T::seed),
                      field("threads", &T::threads), field("keep_state", &T::keep_state),
                      field("data", &T::data), field("keep_best", &T::keep_best));
};

}  // namespace lrft
