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
// What comes out: words 0 and 1, words 2 and 3, the first of two in the high half.
struct Output {
  Bits a, b;
};

// The ten round keys of a 64-bit key, worked out once.
class Philox {
 public:
  explicit Philox(std::uint64_t key) {
    std::uint32_t k0 = static_cast<std::uint32_t>(key);
    std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
      key_[round][0] = k0;
      key_[round][1] = k1;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
  }
  // M counters in step: one alone leaves the processor waiting for its own results.
  template <int M>
  LRFT_INLINE void many(Words (&c)[M], Output (&out)[M]) const {
    rounds<M, 0>(c, out);
  }
  // M counters that differ only in words 1 and 3: what the first round multiplies is shared.
  template <int M>
  LRFT_INLINE void many(const Bits& word0, const Bits (&word1)[M], const Bits& word2,
                        const Bits (&word3)[M], Output (&out)[M]) const {
    const Bits p0 = multiply_low32(word0, broadcast_bits(multiplier0));
    const Bits p1 = multiply_low32(word2, broadcast_bits(multiplier1));
    Words c[M];
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i)
      c[i] = {{high32(p1) ^ word1[i] ^ broadcast_bits(key_[0][0]), p1,
               high32(p0) ^ word3[i] ^ broadcast_bits(key_[0][1]), p0}};
    rounds<M, 1>(c, out);
  }
  LRFT_INLINE Output operator()(const Words& counter) const {
    Words c[1] = {counter};
    Output out[1];
    many<1>(c, out);
    return out[0];
  }

 private:
  static constexpr std::uint64_t multiplier0 = 0xD2511F53u, multiplier1 = 0xCD9E8D57u;

  template <int M, int First>
  LRFT_INLINE void rounds(Words (&c)[M], Output (&out)[M]) const {
#pragma GCC unroll 10
    for (int round = First; round < 9; ++round) {
      const Bits k0 = broadcast_bits(key_[round][0]), k1 = broadcast_bits(key_[round][1]);
#pragma GCC unroll 4
      for (int i = 0; i < M; ++i) {
        const Bits p0 = multiply_low32(c[i].w[0], broadcast_bits(multiplier0));
        const Bits p1 = multiply_low32(c[i].w[2], broadcast_bits(multiplier1));
        c[i] = {{high32(p1) ^ c[i].w[1] ^ k0, p1, high32(p0) ^ c[i].w[3] ^ k1, p0}};
      }
    }
    // The last round leaves its products where they are and brings the rest to them.
    const Bits k0 = broadcast_bits(key_[9][0] << 32), k1 = broadcast_bits(key_[9][1] << 32);
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i) {
      out[i].a = multiply_low32(c[i].w[2], broadcast_bits(multiplier1)) ^ (c[i].w[1] << 32) ^ k0;
      out[i].b = multiply_low32(c[i].w[0], broadcast_bits(multiplier0)) ^ (c[i].w[3] << 32) ^ k1;
    }
  }

  std::uint64_t key_[10][2];
};

}  // namespace lrft
