#include "lrft/run.hpp"

#include <cmath>

#include "train/run_on.hpp"

namespace lrft {

double Schedule::at(std::int64_t t) const {
  const auto x = static_cast<double>(t);
  switch (kind) {
    case Kind::constant:
      return rate;
    case Kind::inverse_time:
      return rate / (1 + x / scale);
    case Kind::step:
      return rate * std::pow(factor, std::floor(x / every));
    case Kind::array:
      return values[std::min(static_cast<std::size_t>(t), values.size() - 1)];
  }
  return rate;
}

std::unique_ptr<Run> make_run(const RunSpec& spec) {
  if (spec.data.given()) return run_dataset(spec);
  return spec.ambient ? run_ambient(spec) : run_reduced(spec);
}

}  // namespace lrft
