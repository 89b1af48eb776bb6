#include "train/limits.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include "activation/activation.hpp"
#include "random/chi.hpp"
#include "simd/aligned.hpp"
#include "space/matrix.hpp"

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

Address at_step(std::uint64_t step) {
  return {broadcast_bits(0), broadcast_bits(step), broadcast_bits(0), Purpose::inputs};
}

// As the ambient space draws them.
void draw(const Philox& random, std::uint64_t step, int count, double* out) {
  Address at = at_step(step);
  Pack z[8];
  for (int i = 0; i < count; i += 8 * lanes) {
    normals_from(at, random, 4, z);
    at = slots_on(at, 4);
    for (int j = 0; j < 8; ++j) store(out + i + j * lanes, z[j]);
  }
}

}  // namespace

double time_normals(int count, int repeats) {
  const Philox random(1);
  AlignedPacks out(512);
  const int rounds = std::max(1, count / 4096);
  return best_of(repeats,
                 [&] {
                   for (int i = 0; i < rounds; ++i)
                     draw(random, static_cast<std::uint64_t>(i), 4096, out.doubles());
                 }) /
         rounds / 4096 * count;
}

double time_ambient_parts(int d, int k, int steps, int repeats) {
  fix_cache_sizes();
  const Philox random(1);
  constexpr Index depth = 128, N = 32;
  const Matrix fixed = Matrix::Random(k + 2, d);
  Matrix X(depth, N), Y(k + 2, N), gram(N, N);
  const int blocks = std::max(1, steps / static_cast<int>(N));
  return best_of(repeats,
                 [&] {
                   for (int b = 0; b < blocks; ++b) {
                     Y.setZero();
                     gram.setZero();
                     for (Index begin = 0; begin < d; begin += depth) {
                       const Index rows = std::min(depth, static_cast<Index>(d) - begin);
                       draw(random, static_cast<std::uint64_t>(b), static_cast<int>(rows * N),
                            X.data());
                       Y.noalias() += fixed.middleCols(begin, rows) * X.topRows(rows);
                       gram.selfadjointView<Eigen::Lower>().rankUpdate(X.topRows(rows).transpose());
                     }
                   }
                 }) /
         (blocks * N);
}

double time_reduced_parts(const ActivationSpec& spec, int k, int steps, int repeats) {
  const Activation activation = make_activation(spec);
  const int pairs = (k + 3) / 2;
  AlignedPacks x(8 * pairs), sigma(2 * pairs), slope(2 * pairs);
  const ChiSampler sampler(broadcast(1000.0));
  Pack chi[4];
  const Philox random(1);
  return best_of(repeats,
                 [&] {
                   for (int t = 0; t < steps; t += 4) {
                     const Bits step = broadcast_bits(static_cast<std::uint64_t>(t));
                     const FourSteps four(step, step);
                     normals_from(four, Purpose::coordinates, random, pairs, x.data(), 2 * pairs);
                     chi_from(four, random, sampler, chi);
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
