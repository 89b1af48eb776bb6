#include "lrft/statistic.hpp"

#include <algorithm>

#include "population/linearized.hpp"
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
  const std::int64_t count = std::min(z.rows, z.rank);
  return count == 1 ? Dims{} : Dims{count};
}
std::optional<Dims> number_of_teacher(const Sizes& z) {
  return z.labelled ? std::nullopt : std::optional(Dims{});
}
std::optional<Dims> number_of_data(const Sizes& z) {
  return z.labelled ? std::optional(Dims{}) : std::nullopt;
}

// A new statistic is an entry at the end; what it may look at is `Seen`.
double loss_of(const Seen& x, const Statistics& rows, const std::vector<double>& own) {
  const double loss =
      x.student.linearized
          ? linearized_loss(x.population, x.shape, x.task, *x.gram, x.student, rows, own, x.start)
          : population_loss(x.population, x.shape, x.task, *x.gram, x.student, rows, own);
  // NaN means "not reached": what overflows on the way to a number is larger than any.
  return std::isnan(loss) ? std::numeric_limits<double>::infinity() : loss;
}

constexpr Statistic table[] = {
    {"overlap_u",
     [](const Sizes& z) -> std::optional<Dims> {
       if (z.labelled) return std::nullopt;
       return facts_of(z.kind).network ? Dims{z.rows, z.neurons} : angles(z);
     },
     [](const Seen& x) {
       // The value that was compared with the thresholds, so that the two always agree.
       if (x.student.facts().single) return std::vector{x.followed};
       return overlaps_u(x.shape, x.task, *x.gram, x.student, x.rows, x.own);
     }},
    {"overlap_c",
     [](const Sizes& z) -> std::optional<Dims> {
       if (z.labelled || facts_of(z.kind).network) return std::nullopt;
       return angles(z);
     },
     [](const Seen& x) { return overlaps_c(x.shape, x.task, x.student, x.own); }},
    {"loss", number_of_teacher,
     [](const Seen& x) { return std::vector{loss_of(x, x.rows, x.own)}; }},
    {"train_loss", number_of_data, [](const Seen& x) { return std::vector{x.train_loss}; }},
    {"validation_loss", number_of_data,
     [](const Seen& x) { return std::vector{x.validation_loss}; }},
    {"averaged_loss",
     [](const Sizes& z) { return z.average ? number_of_teacher(z) : std::nullopt; },
     [](const Seen& x) { return std::vector{loss_of(x, x.averaged, x.averaged_own)}; }},
    {"averaged_validation_loss",
     [](const Sizes& z) { return z.average ? number_of_data(z) : std::nullopt; },
     [](const Seen& x) { return std::vector{x.averaged_validation_loss}; }},
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
