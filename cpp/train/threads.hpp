// The one place where threads are started.
#pragma once

#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace lrft {

// Calls work(), which must not throw, on at most `wanted` threads at once, of which the
// calling one is always one.  There are fewer where the system gives no more.
template <class Work>
void on_threads(int wanted, const Work& work) {
  std::vector<std::thread> others;
  try {
    for (int i = 1; i < wanted; ++i) others.emplace_back([&work] { work(); });
  } catch (const std::system_error&) {  // the limit of processes, or no room for a stack
  } catch (const std::bad_alloc&) {
  }
  work();
  for (std::thread& other : others) other.join();
}

}  // namespace lrft
