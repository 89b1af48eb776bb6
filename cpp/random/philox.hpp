// Philox4x32-7 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy
// as 1, 2, 3, SC 2011), eight counters at a time.  Seven rounds are the fewest
// that pass all of TestU01's BigCrush, as its authors found.
//
// A counter's four 32-bit words sit in the low halves of four 64-bit packs.
// High halves may hold anything on the way: the multiplication reads only the
// low ones.  Counters that differ in word 0 only share a product of each of the
// first two rounds.  Cost: 37 vector operations for eight counters.
#pragma once

#include "simd/pack.hpp"

namespace lrft {

// What comes out: words 0 and 1, words 2 and 3, the first of two in the high half.
struct Output {
  Bits a, b;
};

// The round keys of a 64-bit key, worked out once.
class Philox {
 public:
  explicit Philox(std::uint64_t key) {
    std::uint32_t k0 = static_cast<std::uint32_t>(key);
    std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < rounds; ++round) {
      key_[round][0] = k0;
      key_[round][1] = k1;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
  }

  // What counters that agree in words 1 to 3 share of the first two rounds.
  struct Family {
    Bits p0, x0, x2, word3;
  };
  LRFT_INLINE Family family(const Bits& word1, const Bits& word2, const Bits& word3) const {
    const Bits p1 = times1(word2);
    const Bits p0 = times0(high32(p1) ^ word1 ^ key(0, 0));
    return {p0, p1 ^ key(1, 0), high32(p0) ^ key(1, 1), word3 ^ key(0, 1)};
  }

  // The product by which word 0 enters; it is linear as long as word 0 stays below 2^32.
  static constexpr std::uint64_t multiplier0 = 0xD2511F53u, multiplier1 = 0xCD9E8D57u;
  static LRFT_INLINE Bits times0(const Bits& word) {
    return multiply_low32(word, broadcast_bits(multiplier0));
  }

  // M packs of counters on their way, in step: one alone leaves the processor waiting for its
  // own results.  After `start` come the rounds 2 to 5 and `finish`.
  static constexpr int rounds = 7;
  template <int M>
  struct Running {
    Bits w[M][4];
  };
  // One counter of each family, product[i] = times0(word 0); `more` is added to word 3 bitwise.
  template <int M>
  LRFT_INLINE void start(const Bits* product, const Family* const* of, const Bits& more,
                         Running<M>& c) const {
#pragma GCC unroll 2
    for (int i = 0; i < M; ++i) {
      const Bits p1 = times1(high32(product[i]) ^ of[i]->word3 ^ more);
      c.w[i][0] = high32(p1) ^ of[i]->x0;
      c.w[i][1] = p1;
      c.w[i][2] = product[i] ^ of[i]->x2;
      c.w[i][3] = of[i]->p0;
    }
  }
  template <int M>
  LRFT_INLINE void round(int number, Running<M>& c) const {
    const Bits k0 = key(number, 0), k1 = key(number, 1);
#pragma GCC unroll 2
    for (int i = 0; i < M; ++i) {
      Bits(&w)[4] = c.w[i];
      const Bits p0 = times0(w[0]), p1 = times1(w[2]);
      w[0] = high32(p1) ^ w[1] ^ k0;
      w[1] = p1;
      w[2] = high32(p0) ^ w[3] ^ k1;
      w[3] = p0;
    }
  }
  // The last round leaves its products where they are and brings the rest to them.
  template <int M>
  LRFT_INLINE void finish(const Running<M>& c, Output* out) const {
    const Bits k0 = key(rounds - 1, 0) << 32, k1 = key(rounds - 1, 1) << 32;
#pragma GCC unroll 2
    for (int i = 0; i < M; ++i) {
      out[i].a = times1(c.w[i][2]) ^ (c.w[i][1] << 32) ^ k0;
      out[i].b = times0(c.w[i][0]) ^ (c.w[i][3] << 32) ^ k1;
    }
  }
  template <int M>
  LRFT_INLINE void run(const Bits* product, const Family* const* of, const Bits& more,
                       Output* out) const {
    Running<M> c;
    start<M>(product, of, more, c);
#pragma GCC unroll 4
    for (int i = 2; i < rounds - 1; ++i) round(i, c);
    finish(c, out);
  }
  // One pack of counters of one family.
  LRFT_INLINE Output operator()(const Bits& word0, const Family& of, const Bits& more) const {
    const Bits product[1] = {times0(word0)};
    const Family* const family[1] = {&of};
    Output out[1];
    run<1>(product, family, more, out);
    return out[0];
  }

 private:
  static LRFT_INLINE Bits times1(const Bits& word) {
    return multiply_low32(word, broadcast_bits(multiplier1));
  }
  LRFT_INLINE Bits key(int round, int half) const { return broadcast_bits(key_[round][half]); }

  std::uint64_t key_[rounds][2];
};

}  // namespace lrft
