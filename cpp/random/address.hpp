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

// The addresses of eight counters, which may differ in slot, step and replica.
struct Address {
  Bits slot, step, replica, high;  // high: word 3

  LRFT_INLINE Address(const Bits& slot_, const Bits& step_, const Bits& replica_, Purpose purpose)
      : slot(slot_),
        step(step_),
        replica(replica_),
        high(((step_ >> 32) << 16) | broadcast_bits(static_cast<std::uint64_t>(purpose))) {}

  LRFT_INLINE Words counter() const { return {{slot, step, replica, high}}; }
};

LRFT_INLINE Address slots_on(Address at, std::uint64_t slots) {
  at.slot = at.slot + broadcast_bits(slots);
  return at;
}

LRFT_INLINE NormalPair normals_at(const Address& a, const Philox& random) {
  return normal_pair(random(a.counter()));
}

// The pairs of Count addresses, written to out[0 .. 2 Count).
template <int Count>
LRFT_INLINE void normals_at(const Address (&at)[Count], const Philox& random, Pack* out) {
  Words counters[Count];
#pragma GCC unroll 4
  for (int i = 0; i < Count; ++i) counters[i] = at[i].counter();
  Output w[Count];
  random.many<Count>(counters, w);
#pragma GCC unroll 4
  for (int i = 0; i < Count; ++i) {
    const NormalPair z = normal_pair(w[i]);
    out[2 * i] = z.first;
    out[2 * i + 1] = z.second;
  }
}

// Four steps in a row of eight replicas.
struct FourSteps {
  Bits step[4], high[4], replica;  // high: word 3 without the purpose

  FourSteps(const Bits& first, const Bits& replica_) : replica(replica_) {
    for (int i = 0; i < 4; ++i) {
      step[i] = first + broadcast_bits(static_cast<std::uint64_t>(i));
      high[i] = (step[i] >> 32) << 16;
    }
  }
  LRFT_INLINE void words(std::uint64_t slot, Purpose purpose, const Philox& random,
                         Output (&out)[4]) const {
    const Bits p = broadcast_bits(static_cast<std::uint64_t>(purpose));
    const Bits word3[4] = {high[0] | p, high[1] | p, high[2] | p, high[3] | p};
    random.many<4>(broadcast_bits(slot), step, replica, word3, out);
  }
};

// The pairs of the first `count` >= 1 slots of each of four steps; those of step i go to
// out[i stride ..].  While one slot's bits become normals, the next slot's are on their way.
// Out of line, where the registers are its own.
__attribute__((noinline)) inline void normals_from(const FourSteps& steps, Purpose purpose,
                                                   const Philox& random, int count, Pack* out,
                                                   int stride) {
  const auto write = [&](const Output(&bits)[4], int p) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const NormalPair z = normal_pair(bits[i]);
      out[i * stride + 2 * p] = z.first;
      out[i * stride + 2 * p + 1] = z.second;
    }
  };
  Output now[4];
  steps.words(0, purpose, random, now);
  for (int p = 0; p + 1 < count; ++p) {
    Output next[4];
    steps.words(static_cast<std::uint64_t>(p) + 1, purpose, random, next);
    write(now, p);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) now[i] = next[i];
  }
  write(now, count - 1);
}

// The pairs of `count` slots from `at` on.
__attribute__((noinline)) inline void normals_from(Address at, const Philox& random, int count,
                                                   Pack* out) {
  for (; count >= 4; count -= 4, out += 8) {
    normals_at<4>({at, slots_on(at, 1), slots_on(at, 2), slots_on(at, 3)}, random, out);
    at = slots_on(at, 4);
  }
  if (count == 3) normals_at<3>({at, slots_on(at, 1), slots_on(at, 2)}, random, out);
  if (count == 2) normals_at<2>({at, slots_on(at, 1)}, random, out);
  if (count == 1) normals_at<1>({at}, random, out);
}

}  // namespace lrft
