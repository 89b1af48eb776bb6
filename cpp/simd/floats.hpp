// Floating point as the engine means it, whatever the process has set.
//
// A library linked with -ffast-math switches the whole process to flush subnormal numbers to
// zero when it is loaded, and some set another rounding: both would change results.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace lrft {

// While one lives, this thread rounds to nearest and keeps subnormal numbers; then everything is
// as it was, the flags of exceptions included.  Elsewhere than on x86 and arm64 it does nothing.
class PlainFloats {
 public:
  PlainFloats() : before_(get()) { set(plain); }
  ~PlainFloats() { set(before_); }
  PlainFloats(const PlainFloats&) = delete;
  PlainFloats& operator=(const PlainFloats&) = delete;

 private:
#if defined(__SSE2__)
  using Word = unsigned;
  static constexpr Word plain = 0x1f80;  // all exceptions masked, no flags, nearest
  static Word get() { return _mm_getcsr(); }
  static void set(Word word) { _mm_setcsr(word); }
#elif defined(__aarch64__)
  using Word = std::uint64_t;
  static constexpr Word plain = 0;
  static Word get() {
    Word word;
    asm volatile("mrs %0, fpcr" : "=r"(word));
    return word;
  }
  static void set(Word word) { asm volatile("msr fpcr, %0" : : "r"(word) : "memory"); }
#else
  using Word = int;
  static constexpr Word plain = 0;
  static Word get() { return 0; }
  static void set(Word) {}
#endif
  const Word before_;
};

}  // namespace lrft
