// What is written down about a student that is fitted to given samples.
#pragma once

#include <functional>
#include <vector>

#include "lrft/types.hpp"
#include "space/space.hpp"

namespace lrft {

// Mean over `samples`, NaN without any, of loss(x, y) for a student with rows A (n, d) beside W.
// Its own blocks, so that it does not depend on how the student is trained.
double mean_loss(const std::vector<double>& A, int n, const TaskData& task, const Samples& samples,
                 const std::function<double(const Input<double>& x, double y)>& loss);

// Mean loss of the samples since the last record, each before its update; a new mean
// begins.
double take_error(Chain& chain);
// Less than at all records before?
bool least_yet(double error, const Chain& chain);

// What the last record means for the chain.
Status after_record(const TrainingData& plan, const Samples& held_out, const Chain& chain);

}  // namespace lrft
