// What a student with one row, and a teacher with one direction, asks of an input.
#pragma once

#include "activation/relu.hpp"

namespace lrft {

// The way there and back through the pointer would take as long as relu itself.
LRFT_INLINE OneRowSums sums_of(const Activation& activation, const OneRow& fields) {
  if (activation.one_row == one_row<Relu>) return one_row<Relu>(activation.data, fields);
  const OneRow copy = fields;  // what has an address is in memory, also for relu
  return activation.one_row(activation.data, copy);
}

}  // namespace lrft
