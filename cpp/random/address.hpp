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

LRFT_INLINE Words counter_at(const Address& a) {
  const Bits step_high = (a.step >> 32) << 16;
  return {{a.slot, a.step, a.replica, step_high | broadcast_bits(a.purpose)}};
}

LRFT_INLINE NormalPair normals_at(const Address& a, const Philox& random) {
  return normal_pair(random(counter_at(a)));
}

// The pairs of `Count` slots from at.slot on, written to out[0 .. 2 Count).
template <int Count>
LRFT_INLINE void normals_in_step(Address at, const Philox& random, Pack* out) {
  Words w[Count];
#pragma GCC unroll 4
  for (int i = 0; i < Count; ++i) {
    w[i] = counter_at(at);
    at.slot = at.slot + broadcast_bits(1);
  }
  random.many<Count>(w);
#pragma GCC unroll 4
  for (int i = 0; i < Count; ++i) {
    const NormalPair z = normal_pair(w[i]);
    out[2 * i] = z.first;
    out[2 * i + 1] = z.second;
  }
}

// The same for any count; four at a time keep the processor busy.
inline void normals_from(Address at, const Philox& random, int count, Pack* out) {
  for (; count >= 4; count -= 4, out += 8) {
    normals_in_step<4>(at, random, out);
    at.slot = at.slot + broadcast_bits(4);
  }
  if (count == 3) normals_in_step<3>(at, random, out);
  if (count == 2) normals_in_step<2>(at, random, out);
  if (count == 1) normals_in_step<1>(at, random, out);
}

}  // namespace lrft
