// Which named levels of x86-64 the running machine has.  Asked before any engine may be
// loaded, and while one is built, so it is compiled for the baseline and includes nothing.
#pragma once

#if defined(__x86_64__)
namespace lrft {

inline bool has_v3() {
#if (defined(__clang__) && __clang_major__ >= 17) || (!defined(__clang__) && __GNUC__ >= 12)
  return __builtin_cpu_supports("x86-64-v3");
#else
  // These four imply the rest of v3 (lzcnt, movbe, f16c) on every machine sold.
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#endif
}

inline bool has_v4() {
#if (defined(__clang__) && __clang_major__ >= 17) || (!defined(__clang__) && __GNUC__ >= 12)
  return __builtin_cpu_supports("x86-64-v4");
#else
  return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
#endif
}

// The best of them, as compilers name it.
inline const char* best_level() {
  __builtin_cpu_init();
  return has_v4() ? "x86-64-v4" : has_v3() ? "x86-64-v3" : "x86-64";
}

}  // namespace lrft
#endif
