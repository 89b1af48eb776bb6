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
  switch (spec.student.kind) {
    case StudentKind::rank_one:
    case StudentKind::lora:
      return run_low_rank(spec);
    case StudentKind::full:
      return run_full(spec);
  }
  return nullptr;
}

}  // namespace lrft
