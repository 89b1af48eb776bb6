#include "random/fill.hpp"

#include <algorithm>

#include "lrft/poll.hpp"
#include "random/chi.hpp"

namespace lrft {
namespace {

// first, first + by, ...
Bits counting(std::uint64_t first, std::uint64_t by) {
  std::uint64_t w[lanes];
  for (std::uint64_t i = 0; i < lanes; ++i) w[i] = first + i * by;
  return load_bits(w);
}

Address address(const Philox& random, std::uint32_t replica, std::uint64_t step) {
  return {random, broadcast_bits(step), broadcast_bits(replica)};
}

}  // namespace

void fill_normals(std::uint64_t seed, std::uint32_t replica, Purpose purpose, std::uint64_t step,
                  std::size_t size, double* out) {
  const Philox random(seed);
  const Address at = address(random, replica, step);
  // A lane takes `run` numbers in a row, the next lane those that follow.
  constexpr std::size_t run = 32;
  alignas(64) double z[run][lanes];
  for (std::size_t i = 0; i < size; i += run * lanes) {
    Poll::spend(run * lanes);
    at.normals(purpose, counting(i / 2, run / 2), run, z[0], lanes);
    const std::size_t n = std::min(size - i, run * lanes);
    for (std::size_t l = 0; l * run < n; ++l) {
      const std::size_t own = std::min(n - l * run, run);
      for (std::size_t j = 0; j < own; ++j) out[i + l * run + j] = z[j][l];
    }
  }
}

void fill_chi(std::uint64_t seed, std::uint32_t replica, Purpose purpose, std::uint64_t step,
              std::size_t size, const double* dof, double* out) {
  const Philox random(seed);
  const Address at = address(random, replica, step);
  double nu[lanes], chi[lanes];
  for (std::size_t i = 0; i < size; i += lanes) {
    Poll::spend(40 * lanes);
    const std::size_t n = std::min(size - i, std::size_t{lanes});
    for (std::size_t j = 0; j < lanes; ++j) nu[j] = dof[i + std::min(j, n - 1)];
    store(chi, chi_at(at, purpose, counting(i, 1), ChiSampler(load(nu))));
    std::copy(chi, chi + n, out + i);
  }
}

void fill_permutation(std::uint64_t seed, std::uint32_t replica, std::uint64_t step,
                      std::size_t size, std::uint32_t* out) {
  const Philox random(seed);
  const Address at = address(random, replica, step);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint32_t>(i);
  const std::uint64_t low_half = 0xFFFFFFFFu;
  for (std::size_t first = (size + lanes - 1) / lanes * lanes; first > 0;) {
    first -= lanes;
    Poll::spend(4 * lanes);
    std::uint64_t word[lanes];
    store_bits(word, at.bits(Purpose::shuffle, counting(first, 1)).a);
    for (std::size_t l = lanes; l-- > 0;) {
      const std::size_t i = first + l;
      if (i >= size) continue;
      const std::uint64_t n = i + 1;
      const std::uint64_t j = ((word[l] >> 32) * n + (((word[l] & low_half) * n) >> 32)) >> 32;
      std::swap(out[i], out[j]);
    }
  }
}

void philox_words(const std::uint32_t counter[4], std::uint64_t key, std::uint32_t out[4]) {
  const Philox random(key);
  const Philox::Family of = random.family(broadcast_bits(counter[1]), broadcast_bits(counter[2]),
                                          broadcast_bits(counter[3]));
  const Output words = random(broadcast_bits(counter[0]), of, broadcast_bits(0));
  std::uint64_t a[lanes], b[lanes];
  store_bits(a, words.a);
  store_bits(b, words.b);
  for (int i = 0; i < 2; ++i) {
    out[i] = static_cast<std::uint32_t>(a[0] >> (32 * (1 - i)));
    out[2 + i] = static_cast<std::uint32_t>(b[0] >> (32 * (1 - i)));
  }
}

}  // namespace lrft
