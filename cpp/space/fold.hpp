// Where few of the eight replicas run: several inputs of each in one pack.
//
// A pack of what is drawn has a number of each replica, and costs as much whether these run or
// rest. With up to four, two or one of them the inputs that are drawn together are divided into
// two, four or eight groups of consecutive ones, as many in each.  Pack i of a folded array holds,
// in lane g w + j, the j-th replica that runs at input i of group g.  The last groups may reach
// beyond the inputs: what they hold there is drawn and not used.  Where there are fewer groups than
// fit, lanes repeat others.  What a lane holds never depends on the others, so bits are the same.
#pragma once

#include <algorithm>
#include <cstdint>

#include "simd/table.hpp"

namespace lrft {

class Fold {
 public:
  Fold() = default;
  // Of `inputs` that are drawn together; nothing is folded where more than half of
  // the lanes run, or there is one input.
  Fold(const bool (&runs)[lanes], int inputs) {
    int count = 0;
    std::uint64_t place[lanes] = {};
    for (int lane = 0; lane < lanes; ++lane)
      if (runs[lane]) {
        place[lane] = static_cast<std::uint64_t>(count);
        source_[count++] = static_cast<std::uint64_t>(lane);
      }
    if (count == 0) return;
    int width = 1;
    while (width < count) width *= 2;
    while (groups_ < inputs && groups_ * width < lanes) groups_ *= 2;
    inputs_ = (inputs + groups_ - 1) / groups_;
    // Backwards: what is read last is the first of them.
    for (int lane = lanes - 1; lane >= 0; --lane) {
      source_[lane] = source_[std::min(lane % width, count - 1)];
      first_[lane] = static_cast<std::uint64_t>(lane / width % groups_ * inputs_);
    }
    for (int g = 0; g < groups_; ++g)
      for (int lane = 0; lane < lanes; ++lane)  // one that rests gets what another has
        back_[g][lane] = static_cast<std::uint64_t>(g * width) + place[lane];
  }
  bool there() const { return groups_ > 1; }
  int groups() const { return groups_; }
  int inputs() const { return inputs_; }  // of a group
  // The first input of each lane's group.
  Bits first() const { return load_bits(first_); }
  // A number a replica to where it belongs in a folded pack.
  LRFT_INLINE Pack folded(const Pack& each) const { return permuted(each, load_bits(source_)); }
  LRFT_INLINE Bits folded(const Bits& each) const { return as_bits(folded(as_pack(each))); }
  // Where in a folded pack those of an input of a group are (`permuted`).
  Bits back(int group) const { return load_bits(back_[group]); }

 private:
  int groups_ = 1, inputs_ = 0;
  alignas(64) std::uint64_t source_[lanes] = {}, first_[lanes] = {}, back_[lanes][lanes] = {};
};

}  // namespace lrft
