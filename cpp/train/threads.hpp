// The one place where threads are started: OpenMP's, or the standard library's where a
// build has no OpenMP (Apple's compiler) or must not use it (the thread sanitizer does not
// see the barriers of GCC's OpenMP, and would report races that are none).
#pragma once

#include <unistd.h>

#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace lrft {

#if defined(_OPENMP)

// At most `wanted` threads.  A process forked after OpenMP has started threads has
// none of them, and OpenMP would wait for them for ever: there, the calling one alone.
inline int usable_threads(int wanted) {
  static std::atomic<pid_t> started{0};
  if (wanted <= 1) return 1;
  pid_t owner = 0;
  const pid_t self = getpid();
  return started.compare_exchange_strong(owner, self) || owner == self ? wanted : 1;
}

// Calls work(), which must not throw, on at most `wanted` threads at once, of which the
// calling one is always one.  There may be fewer (OMP_THREAD_LIMIT).
template <class Work>
void on_threads(int wanted, const Work& work) {
#pragma omp parallel num_threads(usable_threads(wanted))
  work();
}

#else

template <class Work>
void on_threads(int wanted, const Work& work) {
  std::vector<std::thread> others;
  try {
    for (int i = 1; i < wanted; ++i) others.emplace_back([&work] { work(); });
  } catch (const std::system_error&) {
    // The system gives no more threads: those there are do it all.
  }
  work();
  for (std::thread& other : others) other.join();
}

#endif

}  // namespace lrft
