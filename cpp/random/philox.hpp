// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy
// as 1, 2, 3, SC 2011), eight counters at a time.
//
// A counter's four 32-bit words sit in the low halves of four 64-bit packs.
// High halves may hold anything on the way: the multiplication reads only the
// low ones.  Cost: 60 vector operations for eight counters.
#pragma once

#include "simd/pack.hpp"

namespace lrft {

struct Words {
  Bits w[4];
};

LRFT_INLINE Words philox(Words c, std::uint64_t key) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const Bits p0 = multiply_low32(c.w[0], broadcast_bits(0xD2511F53u));
    const Bits p1 = multiply_low32(c.w[2], broadcast_bits(0xCD9E8D57u));
    c = {(p1 >> 32) ^ c.w[1] ^ broadcast_bits(k0), p1,
         (p0 >> 32) ^ c.w[3] ^ broadcast_bits(k1), p0};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

}  // namespace lrft
