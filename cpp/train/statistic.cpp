#include "lrft/statistic.hpp"

#include <algorithm>

#include "train/observe.hpp"
#include "train/overlap.hpp"

namespace lrft {
namespace {

// The watches that have it: beside a teacher, on given labels.
enum class Where { teacher, labels, both };
enum class When { always, asked };
using enum Where;
using enum When;

// What is recorded of a student.
struct Statistic {
  const char* name;
  Where where;
  When when;
  // Of a record: () of a number, none of a student or training without it.
  std::optional<Dims> (*shape)(const Sizes&);
  std::vector<double> (*value)(const Seen&);
};

// By the shapes of subspaces of these dimensions.
Dims angles(const Sizes& z) {
  const std::int64_t count = std::min(z.rows, z.followed > 0 ? z.followed : z.rank);
  return count == 1 ? Dims{} : Dims{count};
}
std::optional<Dims> only_if(bool has, Dims shape = {}) {
  return has ? std::optional(std::move(shape)) : std::nullopt;
}
std::optional<Dims> number(const Sizes&) { return Dims{}; }
std::optional<Dims> averaged(const Sizes& z) { return only_if(z.average); }

double loss_of(const Seen& x, const Statistics& rows, const std::vector<double>& own) {
  const double loss = squared_error(x, 1, rows, own);
  // NaN means "not reached": what overflows on the way to a number is larger than any.
  return std::isnan(loss) ? std::numeric_limits<double>::infinity() : loss;
}
std::vector<double> own_of(const Seen& x) { return x.own; }
// What the rows have along the constant, which is the first direction of a law.
std::vector<double> along_constant(const Seen& x) {
  std::vector<double> out(static_cast<std::size_t>(x.shape.n));
  const auto q = static_cast<std::size_t>(x.shape.directions);
  if (x.task.constant)
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = x.rows.along[i * q];
  return out;
}
// Inner products of the rows with it.
std::vector<double> gram_of(const Seen& x) {
  std::vector<double> gram = x.rows.gram;
  const std::vector<double> b = along_constant(x);
  for (std::size_t i = 0; i < gram.size(); ++i) gram[i] += b[i / b.size()] * b[i % b.size()];
  return gram;
}

// A new statistic is an entry at the end; what it may look at is `Seen`.
constexpr Statistic table[] = {
    {"overlap_u", teacher, always,
     [](const Sizes& z) -> std::optional<Dims> {
       if (!facts_of(z.kind).network) return angles(z);
       return Dims{z.rows, z.link == LinkKind::none ? z.neurons : z.rank};
     },
     [](const Seen& x) {
       // The value that was compared with the thresholds, so that the two always agree.
       if (x.student.facts().single) return std::vector{x.followed};
       return overlaps_u(x.shape, x.task, *x.gram, x.student, x.rows, x.own);
     }},
    {"overlap_c", teacher, always,
     [](const Sizes& z) {
       return only_if(!facts_of(z.kind).network && z.link == LinkKind::none, angles(z));
     },
     [](const Seen& x) { return overlaps_c(x.shape, x.task, x.student, x.own); }},
    {"loss", teacher, always, number,
     [](const Seen& x) { return std::vector{loss_of(x, x.rows, x.own)}; }},
    {"train_loss", labels, always, number, [](const Seen& x) { return std::vector{x.train_loss}; }},
    {"validation_loss", labels, always, number,
     [](const Seen& x) { return std::vector{x.validation_loss}; }},
    {"M", teacher, asked, [](const Sizes& z) { return only_if(true, {z.rows, z.s}); },
     [](const Seen& x) { return coordinates(x.shape, x.task, x.rows); }},
    {"Q", both, asked, [](const Sizes& z) { return only_if(true, {z.rows, z.rows}); }, gram_of},
    {"Q_blocks", teacher, asked,
     [](const Sizes& z) {
       return only_if(z.blocks > 0 || z.constant, {z.complements(), z.rows, z.rows});
     },
     [](const Seen& x) { return x.shape.blocks > 0 ? x.rows.blocks : x.rows.gram; }},
    {"norms", both, asked, [](const Sizes& z) { return only_if(true, {z.rows}); },
     [](const Seen& x) {
       std::vector<double> norms;
       const std::vector<double> gram = gram_of(x);
       for (std::size_t i = 0; i < gram.size(); i += static_cast<std::size_t>(x.shape.n) + 1)
         norms.push_back(std::sqrt(gram[i]));
       return norms;
     }},
    {"c_hat", both, asked,
     [](const Sizes& z) { return only_if(facts_of(z.kind).single, {z.neurons}); }, own_of},
    {"B", both, asked,
     [](const Sizes& z) {
       const StudentFacts facts = facts_of(z.kind);
       return only_if(!facts.single && !facts.network, {z.neurons, z.rows});
     },
     own_of},
    {"lam_hat", both, asked,
     [](const Sizes& z) { return only_if(facts_of(z.kind).network, {z.rows}); }, own_of},
    {"training_loss", teacher, always,
     [](const Sizes& z) { return only_if(z.loss != LossData::Kind::squared); },
     [](const Seen& x) { return std::vector{x.training_loss.value}; }},
    {"training_loss_error", teacher, always,
     [](const Sizes& z) {
       return only_if(z.loss != LossData::Kind::squared && z.loss != LossData::Kind::correlation);
     },
     [](const Seen& x) { return std::vector{x.training_loss.error}; }},
    {"averaged_loss", teacher, always, averaged,
     [](const Seen& x) { return std::vector{loss_of(x, x.averaged, x.averaged_own)}; }},
    {"averaged_validation_loss", labels, always, averaged,
     [](const Seen& x) { return std::vector{x.averaged_validation_loss}; }},
    {"biases", both, asked,
     [](const Sizes& z) { return only_if(facts_of(z.kind).network, {z.rows}); },
     [](const Seen& x) {
       std::vector<double> biases = along_constant(x);
       for (double& b : biases) b *= x.task.neuron_scale;
       return biases;
     }},
};

bool has(Where where, WatchKind watch) {
  return where == both || (where == teacher) == (watch == WatchKind::overlaps);
}
// None where it is not recorded.
std::optional<Dims> recorded_shape(const Statistic& one, const Sizes& z) {
  const auto& names = z.parameters;
  const bool wanted =
      one.when == always || std::find(names.begin(), names.end(), one.name) != names.end();
  return has(one.where, z.watch) && wanted ? one.shape(z) : std::nullopt;
}

}  // namespace

const std::vector<const char*>& statistic_names() {
  static const std::vector<const char*> names = [] {
    std::vector<const char*> all;
    for (const Statistic& one : table) all.push_back(one.name);
    return all;
  }();
  return names;
}

std::vector<std::pair<const char*, std::optional<Dims>>> statistics_of(const Sizes& sizes) {
  std::vector<std::pair<const char*, std::optional<Dims>>> shapes;
  for (const Statistic& one : table) shapes.emplace_back(one.name, recorded_shape(one, sizes));
  return shapes;
}

std::vector<const char*> parameters_of(StudentKind kind) {
  Sizes sizes;
  sizes.kind = kind;
  sizes.blocks = 1;
  std::vector<const char*> names;
  for (const Statistic& one : table)
    if (one.when == asked && one.shape(sizes)) names.push_back(one.name);
  return names;
}

Records observe(const Seen& seen) {
  Records out;
  for (const Statistic& one : table)
    out.values.push_back(recorded_shape(one, seen.shape.sizes) ? one.value(seen)
                                                               : std::vector<double>());
  return out;
}

}  // namespace lrft
