// What is recorded of a student: the names and shapes of its statistics.
#pragma once

#include <optional>
#include <utility>

#include "lrft/footprint.hpp"

namespace lrft {

// Those of which a training loss without a closed form is recorded.
inline constexpr int fresh_samples = 1024;

// Every statistic by name, in the order of `Records`, and its shape for a student of these sizes:
// none where it is not recorded.  A number has shape ().
std::vector<std::pair<const char*, std::optional<Dims>>> statistics_of(const Sizes& sizes);
const std::vector<const char*>& statistic_names();
// Those of a student of this kind that are recorded only where they are asked for.
std::vector<const char*> parameters_of(StudentKind kind);

}  // namespace lrft
