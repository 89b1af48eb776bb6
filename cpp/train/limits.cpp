#include "train/limits.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include "activation/activation.hpp"
#include "random/address.hpp"
#include "simd/aligned.hpp"

namespace lrft {
namespace {

template <class F>
double best_of(int repeats, const F& work) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

// `count` normals, as the ambient space draws them: eight steps side by side.
void draw(const Philox& random, std::uint64_t first_step, int count, double* out) {
  std::uint64_t step[lanes];
  for (std::uint64_t i = 0; i < lanes; ++i) step[i] = first_step + i;
  Address(random, load_bits(step), broadcast_bits(0))
      .normals(Purpose::inputs, broadcast_bits(0), count / lanes, out, lanes);
}

// Multiply-adds that wait for nothing: as many at a time as hide their own latency, all in
// registers.  A round is `chains` vectors.
constexpr int chains = 12;
volatile double factor = 0.5, last_sum = 0;

void multiply_add(int rounds) {
  const NativeDouble a = factor - NativeDouble{}, b = factor - NativeDouble{};
  NativeDouble s[chains];
  // From different numbers, or the compiler would do the work of several at once.
#pragma GCC unroll 12
  for (int j = 0; j < chains; ++j) s[j] = (factor + j) - NativeDouble{};
  for (int i = 0; i < rounds; ++i)
#pragma GCC unroll 12
    for (int j = 0; j < chains; ++j) s[j] = native_fma(s[j], a, b);
  NativeDouble all = NativeDouble{};
#pragma GCC unroll 12
  for (int j = 0; j < chains; ++j) all += s[j];
  last_sum = all[0];
}

}  // namespace

double time_normals(int count, int repeats) {
  const Philox random(1);
  AlignedPacks out(512);
  const int rounds = std::max(1, count / 4096);
  return best_of(repeats,
                 [&] {
                   for (int i = 0; i < rounds; ++i)
                     draw(random, static_cast<std::uint64_t>(i) * lanes, 4096, out.doubles());
                 }) /
         rounds / 4096 * count;
}

double time_multiply_adds(int count, int repeats) {
  const int rounds = std::max(1, count / (chains * native_width));
  return best_of(repeats, [&] { multiply_add(rounds); }) / rounds / (chains * native_width) * count;
}

double time_activations(const ActivationSpec& spec, bool slopes, int count, int repeats) {
  const Activation activation = make_activation(spec);
  constexpr int most = 4096;
  AlignedPacks z(most / lanes), sigma(most / lanes), slope(most / lanes);
  draw(Philox(1), 0, most, z.doubles());
  const int rounds = std::max(1, count / most);
  return best_of(repeats,
                 [&] {
                   for (int i = 0; i < rounds; ++i)
                     if (slopes)
                       activation.both(activation.data, z.doubles(), sigma.doubles(),
                                       slope.doubles(), most / lanes);
                     else
                       activation.value(activation.data, z.doubles(), sigma.doubles(),
                                        most / lanes);
                 }) /
         rounds / most * count;
}

}  // namespace lrft
