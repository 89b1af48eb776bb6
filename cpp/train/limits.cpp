#include "train/limits.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include "activation/activation.hpp"
#include "random/chi.hpp"
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

double time_ambient_parts(const ActivationSpec& spec, int d, int k, int steps, int repeats) {
  const Activation activation = make_activation(spec);
  const Philox random(1);
  constexpr int most = 4096;
  AlignedPacks z(most / lanes);
  const int packs = (k + lanes - 1) / lanes;
  AlignedPacks fields(packs), sigma(packs), slope(packs);
  return best_of(repeats,
                 [&] {
                   for (int t = 0; t < steps; ++t) {
                     for (int begin = 0; begin < d; begin += most)
                       draw(random, static_cast<std::uint64_t>(t), std::min(most, d - begin),
                            z.doubles());
                     multiply_add(d / (chains * native_width) * (k + 3));
                     activation.value(activation.data, fields.doubles(), sigma.doubles(), packs);
                     activation.both(activation.data, fields.doubles(), sigma.doubles(),
                                     slope.doubles(), packs);
                   }
                 }) /
         steps;
}

double time_reduced_parts(const ActivationSpec& spec, int k, int steps, int repeats) {
  const Activation activation = make_activation(spec);
  const int pairs = (k + 3) / 2;
  AlignedPacks x(8 * pairs), sigma(2 * pairs), slope(2 * pairs);
  const ChiSampler sampler(broadcast(1000.0));
  Pack chi[4];
  const Philox random(1);
  const std::uint64_t replicas[lanes] = {0, 1, 2, 3, 4, 5, 6, 7};
  const Bits replica = load_bits(replicas);
  return best_of(repeats,
                 [&] {
                   for (int t = 0; t < steps; t += 4) {
                     const FourSteps four(random, broadcast_bits(static_cast<std::uint64_t>(t)),
                                          replica);
                     NormalPair first[4];
                     four.normals(Purpose::chi, first, Purpose::coordinates, pairs, x.data(),
                                  2 * pairs);
                     chi_from(first, four, sampler, chi);
                     for (int i = 0; i < 4; ++i) {
                       const double* z = x.doubles() + i * 2 * pairs * lanes;
                       activation.value(activation.data, z, sigma.doubles(), k);
                       activation.both(activation.data, z, sigma.doubles(), slope.doubles(), k);
                     }
                   }
                 }) /
         steps / lanes;
}

}  // namespace lrft
