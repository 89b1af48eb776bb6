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

#include <cstddef>

#include "lrft/purpose.hpp"
#include "random/normal.hpp"

namespace lrft {

// Four packs of counters at a time, two of them in step.  The rounds of the next counters stand
// between the steps that make normals of these, where a processor has registers for both.
class Pipeline {
 public:
  using Families = const Philox::Family* const (&)[4];

  // Begins with the counters of `purpose` whose word 0 went into these products.
  LRFT_INLINE Pipeline(const Philox& random, Families of, const Bits& purpose,
                       const Bits (&product)[4])
      : random_(random), of_(of), purpose_(purpose) {
    for (int i = 0; i < 4; i += 2) draw(product + i, i);
  }
  // Of the counters from the next step on.
  void turn_to(const Bits& purpose) { purpose_ = purpose; }
  // out: the normals of the counters before; those of `product` are next.
  LRFT_INLINE void step(const Bits (&product)[4], NormalPair (&out)[4]) {
#pragma GCC unroll 2
    for (int i = 0; i < 4; i += 2) {
      if constexpr (mixed) {
        Philox::Running<2> c;
        Output next[2];
        normal_pairs<2>(bits_ + i, out + i, [&](int stage) __attribute__((always_inline)) {
          if (stage == 0) random_.start<2>(product + i, of_ + i, purpose_, c);
          if (stage > 0 && stage < Philox::rounds - 2) random_.round(stage + 1, c);
          if (stage == Philox::rounds - 2) random_.finish(c, next);
        });
        bits_[i] = next[0];
        bits_[i + 1] = next[1];
      } else {
        convert(i, out + i);
        draw(product + i, i);
      }
    }
  }
  void end(NormalPair (&out)[4]) const {
    for (int i = 0; i < 4; i += 2) convert(i, out + i);
  }

 private:
  static constexpr bool mixed = native_width == lanes;

  __attribute__((noinline)) void draw(const Bits* product, int i) {
    random_.run<2>(product, of_ + i, purpose_, bits_ + i);
  }
  __attribute__((noinline)) void convert(int i, NormalPair* out) const {
    normal_pairs<2>(bits_ + i, out, [](int) {});
  }

  const Philox& random_;
  Families of_;
  Bits purpose_;
  Output bits_[4];
};

// Eight steps and replicas, one a lane, whose numbers are wanted.
class Address {
 public:
  LRFT_INLINE Address(const Philox& random, const Bits& step, const Bits& replica)
      : random_(&random), family_(random.family(step, replica, (step >> 32) << 16)) {}

  LRFT_INLINE Output bits(Purpose purpose, const Bits& slot) const {
    return (*random_)(slot, family_, word3(purpose));
  }
  // The pair of a slot.
  LRFT_INLINE NormalPair normals(Purpose purpose, const Bits& slot) const {
    return normal_pair(bits(purpose, slot));
  }
  // The first `count` >= 1 normals from `slot` on; number i goes to out[i stride ..].
  // Out of line, where the registers are its own.
  __attribute__((noinline)) void normals(Purpose purpose, const Bits& slot, std::ptrdiff_t count,
                                         double* out, std::ptrdiff_t stride) const {
    const Philox::Family* const of[4] = {&family_, &family_, &family_, &family_};
    Bits product[4];
    for (int i = 0; i < 4; ++i)
      product[i] = Philox::times0(slot + broadcast_bits(static_cast<std::uint64_t>(i)));
    NormalPair z[4];
    Pipeline pipeline(*random_, of, word3(purpose), product);
    for (; count > 8; count -= 8, out += 8 * stride) {
#pragma GCC unroll 4
      for (Bits& p : product) p = p + broadcast_bits(4 * Philox::multiplier0);
      pipeline.step(product, z);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        store(out + 2 * i * stride, z[i].first);
        store(out + (2 * i + 1) * stride, z[i].second);
      }
    }
    pipeline.end(z);
    for (int i = 0; i < count; ++i)
      store(out + i * stride, i % 2 == 0 ? z[i / 2].first : z[i / 2].second);
  }

 private:
  friend class FourSteps;
  static LRFT_INLINE Bits word3(Purpose purpose) {
    return broadcast_bits(static_cast<std::uint64_t>(purpose));
  }
  const Philox* random_;
  Philox::Family family_;
};

// Four steps in a row of eight replicas.
class FourSteps {
 public:
  FourSteps(const Philox& random, const Bits& first, const Bits& replica)
      : at_{{random, first, replica},
            {random, first + broadcast_bits(1), replica},
            {random, first + broadcast_bits(2), replica},
            {random, first + broadcast_bits(3), replica}} {}

  // The pairs of one slot.
  LRFT_INLINE void normals(Purpose purpose, std::uint64_t slot, NormalPair (&out)[4]) const {
    const Bits product[2] = {broadcast_bits(Philox::multiplier0 * slot),
                             broadcast_bits(Philox::multiplier0 * slot)};
#pragma GCC unroll 2
    for (int i = 0; i < 4; i += 2) {
      const Philox::Family* const of[2] = {&at_[i].family_, &at_[i + 1].family_};
      Output bits[2];
      at_[0].random_->run<2>(product, of, Address::word3(purpose), bits);
      normal_pairs<2>(bits, out + i, [](int) {});
    }
  }
  // The pairs of slot 0 of `single`, then those of the first `count` >= 1 slots of `purpose`;
  // those of step i go to out[i stride ..].  Out of line, where the registers are its own.
  __attribute__((noinline)) void normals(Purpose single, NormalPair (&one)[4], Purpose purpose,
                                         int count, Pack* out, int stride) const {
    const Philox::Family* const of[4] = {&at_[0].family_, &at_[1].family_, &at_[2].family_,
                                         &at_[3].family_};
    NormalPair z[4];
    const auto write = [&](int p) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        out[i * stride + 2 * p] = z[i].first;
        out[i * stride + 2 * p + 1] = z[i].second;
      }
    };
    const Bits zero = broadcast_bits(0);
    Pipeline pipeline(*at_[0].random_, of, Address::word3(single), {zero, zero, zero, zero});
    pipeline.turn_to(Address::word3(purpose));
    pipeline.step({zero, zero, zero, zero}, one);
    for (int p = 0; p + 1 < count; ++p) {
      const Bits next = broadcast_bits(Philox::multiplier0 * (static_cast<std::uint64_t>(p) + 1));
      pipeline.step({next, next, next, next}, z);
      write(p);
    }
    pipeline.end(z);
    write(count - 1);
  }

 private:
  Address at_[4];
};

}  // namespace lrft
