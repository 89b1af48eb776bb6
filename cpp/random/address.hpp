// Where in the random stream a number lives.
//
// Randomness is addressed, not consumed: the key is the 64-bit seed and the
// 128-bit counter is (slot, step, replica, purpose).  Any number can be asked
// for at any time, so results cannot depend on threads, blocks or resumption.
//
//   word 0  slot                     32 bits
//   word 1  step, low                32 bits
//   word 2  replica                  32 bits
//   word 3  step, high | purpose     16 + 16 bits
#pragma once

#include "lrft/purpose.hpp"
#include "random/normal.hpp"

namespace lrft {

// The address of eight counters that differ in any of their parts.
struct Address {
  Bits slot, step, replica;
  std::uint64_t purpose;
};

LRFT_INLINE Words words_at(const Address& a, std::uint64_t seed) {
  const Bits step_high = (a.step >> 32) << 16;
  return philox({{a.slot, a.step, a.replica, step_high | broadcast_bits(a.purpose)}}, seed);
}

LRFT_INLINE NormalPair normals_at(const Address& a, std::uint64_t seed) {
  return normal_pair(words_at(a, seed));
}

}  // namespace lrft
