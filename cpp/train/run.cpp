#include "lrft/run.hpp"

#include <cmath>
#include <numbers>

#include "train/run_on.hpp"

namespace lrft {

double Schedule::at(std::int64_t step) const {
  if (step >= warm_up) return after_warm_up(step - warm_up);
  return static_cast<double>(step + 1) / static_cast<double>(warm_up) * after_warm_up(0);
}

double Schedule::after_warm_up(std::int64_t step) const {
  const double t = static_cast<double>(step) / scale;
  switch (kind) {
    case Kind::constant:
      return rate;
    case Kind::inverse_time:
      return rate / (1 + t);
    case Kind::step:
      return rate * std::pow(factor, std::floor(t));
    case Kind::cosine: {
      if (t >= 1) return final;
      const double c = std::cos(std::numbers::pi / 2 * t);
      return final + (rate - final) * c * c;
    }
    case Kind::array:
      return values[std::min(static_cast<std::size_t>(step), values.size() - 1)];
  }
  return rate;
}

std::unique_ptr<Run> make_run(const RunSpec& spec) {
  // A run takes one step, so that the bits of a replica do not depend on its company.
  const auto pick = [&spec](auto plain, auto general, auto memory) {
    if (spec.plain()) return plain(spec);
    return spec.trainings.front().optimiser.plain() ? general(spec) : memory(spec);
  };
  if (spec.data.given()) return pick(run_dataset, run_dataset_general, run_dataset_memory);
  if (spec.ambient) return pick(run_ambient, run_ambient_general, run_ambient_memory);
  return pick(run_reduced, run_reduced_general, run_reduced_memory);
}

}  // namespace lrft
