// What is wrong with a description, before the core works with it.
#pragma once

#include "lrft/footprint.hpp"

namespace lrft {

// Throw std::invalid_argument naming the field.  After the last, no size in the run reaches a
// pointer unchecked.
void check(const TaskData& task);
void check(const Schedule& schedule);
void check(const LossData& loss);
void check(const TrainingData& training);
void check(const RunSpec& run);
void check(const Sizes& sizes);
// The other types are checked with the run that they belong to.
template <class T>
void check(const T&) {}

}  // namespace lrft
