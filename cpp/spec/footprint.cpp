#include "lrft/footprint.hpp"

#include <algorithm>

#include "lrft/statistic.hpp"
#include "space/shape.hpp"

namespace lrft {
namespace {

constexpr double bytes = sizeof(double);
constexpr int tile = 128;  // coordinates of an input that the ambient space holds at a time

// Work of a step of one thread: eight replicas in the reduced space, else one.
double units_of(const Sizes& z) {
  const auto n = static_cast<double>(z.rows * z.copies()), b = static_cast<double>(z.batch),
             k = static_cast<double>(z.k), s = static_cast<double>(z.s),
             r = static_cast<double>(z.rank), q = static_cast<double>(z.directions),
             J = static_cast<double>(z.complements());
  const double forward = k * (4 * r + 20) + 6 * n * (facts_of(z.kind).network ? 4 : k);
  const auto uses = static_cast<double>(z.uses);
  const double law = z.ambient ? (q > 0 ? z.d * (2 * q + 20) : 0) : 2 * q * s;
  if (z.ambient) return uses * b * (z.d * (k + r + 2 * n + 20) + law + forward) / 8;
  const double nonzero = z.nonzero < 0 ? k * s : static_cast<double>(z.nonzero);
  const double fields = nonzero + (r + 2 * n) * s + 4 * (s + J * n) + J * n * n + law;
  if (z.uses > 1) return uses * b * (fields + forward + J * n * b) + J * n * n * (n + b);
  const double triangle =
      by_rotations(z.rows * z.copies(), z.batch) && !(facts_of(z.kind).unit_rows && z.velocity)
          ? 4 * b * n * n
          : n * n * (n + std::min(b, n));
  return b * (fields + forward + (b > n ? n * n / 2 : n)) + J * triangle;
}

double record_numbers(const Sizes& sizes) {
  double sum = 0;
  for (const auto& [name, shape] : statistics_of(sizes)) {
    double numbers = shape ? 1 : 0;
    if (shape)
      for (const std::int64_t size : *shape) numbers *= static_cast<double>(size);
    sum += numbers;
  }
  return sum;
}

}  // namespace

Footprint footprint(const Sizes& z) {
  const auto n = static_cast<double>(z.rows), b = static_cast<double>(z.batch),
             k = static_cast<double>(z.k), s = static_cast<double>(z.s),
             r = static_cast<double>(z.rank), q = static_cast<double>(z.directions),
             neurons = static_cast<double>(z.neurons), copies = static_cast<double>(z.copies()),
             all = copies * n, J = static_cast<double>(z.complements());
  // Neurons and slopes whose covariance the exact loss needs.
  const double side = z.linearized
                          ? neurons + 2 * (facts_of(z.kind).network ? n : neurons)
                          : (z.link == LinkKind::none ? k : std::max(k, r)) + std::max(k, n);
  // Fields and coordinates; of a batch that is used again, also those in directions of its own.
  const double input = k + s + r + n + J * all + 2 + (z.uses > 1 && !z.ambient ? J * b + n : 0);
  Footprint out;
  out.lanes = z.ambient ? 1 : 8;
  out.least_d = s + all + (z.uses > 1 ? b : std::min(n, b));
  out.own = facts_of(z.kind).network ? n : neurons * n;
  out.longest = std::max({side * side, side * (k + n + r), (2 * k + n) * (2 * k + n),
                          (z.ambient ? 1 : 8) * (k + r) * s, 2 * J * all * all, all * (s + J * all),
                          n * 2 * k, b * (z.ambient ? input + tile : 8 * input)});
  out.counters = b * ((z.ambient ? z.d : input) + 1) / 2;
  out.task_bytes = bytes * ((k + q) * s + (z.ambient ? (k + r + q) * z.d : 0));
  out.state_bytes = bytes * (all * (z.ambient ? z.d : s + J * all) + copies * out.own);
  out.record_bytes = bytes * record_numbers(z);
  out.thread_bytes =
      bytes *
      (3 * side * side + (z.ambient ? 4 * all * all + 3 * all * z.d
                                    : 8 * (4 * J * all * all + 2 * all * s + (2 * k + q) * s)));
  // Where few replicas run, what is drawn for them stands beside the inputs made of it.
  out.batch_bytes = bytes * b * (z.ambient ? input + tile : 12 * input);
  out.units = static_cast<std::int64_t>(std::min(units_of(z), 9e18));
  return out;
}

Sizes sizes_of(const RunSpec& spec) {
  const TaskData& t = spec.tasks.front();
  const StudentSpec& student = spec.students.front();
  Sizes z;
  z.ambient = spec.ambient;
  z.watch = spec.data.given() ? WatchKind::errors : WatchKind::overlaps;
  z.d = t.d;
  z.k = t.k;
  z.neurons = t.neurons;
  z.s = t.s;
  z.rank = t.rank;
  z.link = t.link;
  z.followed = t.followed;
  z.directions = t.directions;
  z.blocks = t.blocks;
  z.constant = t.constant;
  z.rows = student.rows;
  const OptimiserSpec& optimiser = spec.trainings.front().optimiser;
  z.velocity = optimiser.momentum > 0;
  z.average = optimiser.average >= 0;
  z.kind = student.kind;
  z.linearized = student.linearized;
  z.batch = spec.trainings.front().batch;
  z.parameters = spec.trainings.front().parameters;
  z.uses = spec.trainings.front().uses();
  z.loss = spec.trainings.front().loss.kind;
  z.nonzero = std::count_if(t.R.begin(), t.R.end(), [](double x) { return x != 0; });
  return z;
}

}  // namespace lrft
