#include "lrft/statistic.hpp"

#include <algorithm>

#include "train/observe.hpp"
#include "train/overlap.hpp"

namespace lrft {
namespace {

// What is recorded of a student.
struct Statistic {
  const char* name;
  // Of a record: () of a number, none where there is nothing to record.
  std::optional<Dims> (*shape)(const Sizes&);
  std::vector<double> (*value)(const Seen&);
};

// By the shapes of subspaces of these dimensions.
Dims angles(const Sizes& z) {
  const std::int64_t count = std::min(z.rows, z.followed > 0 ? z.followed : z.rank);
  return count == 1 ? Dims{} : Dims{count};
}
std::optional<Dims> number_of_teacher(const Sizes& z) {
  return z.labelled ? std::nullopt : std::optional(Dims{});
}
std::optional<Dims> number_of_data(const Sizes& z) {
  return z.labelled ? std::optional(Dims{}) : std::nullopt;
}

// Of those that are recorded where asked for: these dimensions if it is.
std::optional<Dims> where_asked(const Sizes& z, const char* name, bool has, Dims shape) {
  const bool asked =
      std::find(z.parameters.begin(), z.parameters.end(), name) != z.parameters.end();
  return asked && has && !z.labelled ? std::optional(std::move(shape)) : std::nullopt;
}
std::vector<double> own_of(const Seen& x) { return x.own; }

// A new statistic is an entry at the end; what it may look at is `Seen`.
double loss_of(const Seen& x, const Statistics& rows, const std::vector<double>& own) {
  const double loss = squared_error(x, 1, rows, own);
  // NaN means "not reached": what overflows on the way to a number is larger than any.
  return std::isnan(loss) ? std::numeric_limits<double>::infinity() : loss;
}

constexpr Statistic table[] = {
    {"overlap_u",
     [](const Sizes& z) -> std::optional<Dims> {
       if (z.labelled) return std::nullopt;
       if (!facts_of(z.kind).network) return angles(z);
       return Dims{z.rows, z.link == LinkKind::none ? z.neurons : z.rank};
     },
     [](const Seen& x) {
       // The value that was compared with the thresholds, so that the two always agree.
       if (x.student.facts().single) return std::vector{x.followed};
       return overlaps_u(x.shape, x.task, *x.gram, x.student, x.rows, x.own);
     }},
    {"overlap_c",
     [](const Sizes& z) -> std::optional<Dims> {
       if (z.labelled || facts_of(z.kind).network || z.link != LinkKind::none) return std::nullopt;
       return angles(z);
     },
     [](const Seen& x) { return overlaps_c(x.shape, x.task, x.student, x.own); }},
    {"loss", number_of_teacher,
     [](const Seen& x) { return std::vector{loss_of(x, x.rows, x.own)}; }},
    {"train_loss", number_of_data, [](const Seen& x) { return std::vector{x.train_loss}; }},
    {"validation_loss", number_of_data,
     [](const Seen& x) { return std::vector{x.validation_loss}; }},
    {"M", [](const Sizes& z) { return where_asked(z, "M", true, {z.rows, z.s}); },
     [](const Seen& x) { return coordinates(x.shape, x.task, x.rows); }},
    {"Q", [](const Sizes& z) { return where_asked(z, "Q", true, {z.rows, z.rows}); },
     [](const Seen& x) { return x.rows.gram; }},
    {"norms", [](const Sizes& z) { return where_asked(z, "norms", true, {z.rows}); },
     [](const Seen& x) {
       std::vector<double> norms;
       for (std::size_t i = 0; i < x.rows.gram.size(); i += static_cast<std::size_t>(x.shape.n) + 1)
         norms.push_back(std::sqrt(x.rows.gram[i]));
       return norms;
     }},
    {"c_hat",
     [](const Sizes& z) { return where_asked(z, "c_hat", facts_of(z.kind).single, {z.neurons}); },
     own_of},
    {"B",
     [](const Sizes& z) {
       const StudentFacts facts = facts_of(z.kind);
       return where_asked(z, "B", !facts.single && !facts.network, {z.neurons, z.rows});
     },
     own_of},
    {"lam_hat",
     [](const Sizes& z) { return where_asked(z, "lam_hat", facts_of(z.kind).network, {z.rows}); },
     own_of},
    {"training_loss",
     [](const Sizes& z) {
       return z.loss == LossData::Kind::squared ? std::nullopt : number_of_teacher(z);
     },
     [](const Seen& x) { return std::vector{x.training_loss.value}; }},
    {"training_loss_error",
     [](const Sizes& z) {
       const bool exact =
           z.loss == LossData::Kind::squared || z.loss == LossData::Kind::correlation;
       return exact ? std::nullopt : number_of_teacher(z);
     },
     [](const Seen& x) { return std::vector{x.training_loss.error}; }},
    {"averaged_loss",
     [](const Sizes& z) { return z.average ? number_of_teacher(z) : std::nullopt; },
     [](const Seen& x) { return std::vector{loss_of(x, x.averaged, x.averaged_own)}; }},
    {"averaged_validation_loss",
     [](const Sizes& z) { return z.average ? number_of_data(z) : std::nullopt; },
     [](const Seen& x) { return std::vector{x.averaged_validation_loss}; }},
    {"biases",
     [](const Sizes& z) { return where_asked(z, "biases", facts_of(z.kind).network, {z.rows}); },
     [](const Seen& x) {
       std::vector<double> biases(static_cast<std::size_t>(x.shape.n));
       if (!x.task.constant) return biases;
       const std::vector<double> M = coordinates(x.shape, x.task, x.rows);
       for (std::size_t i = 0; i < biases.size(); ++i)
         biases[i] = x.task.neuron_scale * M[i * static_cast<std::size_t>(x.shape.s)];
       return biases;
     }},
};

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
  for (const Statistic& one : table) shapes.emplace_back(one.name, one.shape(sizes));
  return shapes;
}

Records observe(const Seen& seen) {
  Records out;
  for (const Statistic& one : table)
    out.values.push_back(one.shape(seen.shape.sizes) ? one.value(seen) : std::vector<double>());
  return out;
}

}  // namespace lrft
