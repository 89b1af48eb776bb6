#include "random/fill.hpp"

#include <algorithm>

#include "lrft/poll.hpp"
#include "random/chi.hpp"

namespace lrft {
namespace {

Bits counting_from(std::uint64_t first) {
  std::uint64_t w[lanes];
  for (int i = 0; i < lanes; ++i) w[i] = first + static_cast<std::uint64_t>(i);
  return load_bits(w);
}

Address address(std::uint32_t replica, Purpose purpose, std::uint64_t step) {
  return {broadcast_bits(0), broadcast_bits(step), broadcast_bits(replica), purpose};
}

}  // namespace

void fill_normals(std::uint64_t seed, std::uint32_t replica, Purpose purpose, std::uint64_t step,
                  std::size_t size, double* out) {
  const Philox random(seed);
  const Address at = address(replica, purpose, step);
  Address slots[4] = {at, at, at, at};
  // Four counters at a time, eight slots each: lane l of pack j is slot 8 j + l.
  Pack z[8];
  for (std::size_t i = 0; i < size; i += 8 * lanes) {
    Poll::spend(8 * lanes);
    for (std::uint64_t j = 0; j < 4; ++j) slots[j].slot = counting_from(i / 2 + j * lanes);
    normals_at(slots, random, z);
    double pairs[8 * lanes];
    for (int j = 0; j < 4; ++j) {
      double first[lanes], second[lanes];
      store(first, z[2 * j]);
      store(second, z[2 * j + 1]);
      for (int l = 0; l < lanes; ++l) {
        pairs[2 * (j * lanes + l)] = first[l];
        pairs[2 * (j * lanes + l) + 1] = second[l];
      }
    }
    std::copy(pairs, pairs + std::min(size - i, std::size_t{8 * lanes}), out + i);
  }
}

void fill_chi(std::uint64_t seed, std::uint32_t replica, Purpose purpose, std::uint64_t step,
              std::size_t size, const double* dof, double* out) {
  const Philox random(seed);
  Address at = address(replica, purpose, step);
  double nu[lanes], chi[lanes];
  for (std::size_t i = 0; i < size; i += lanes) {
    Poll::spend(40 * lanes);
    const std::size_t n = std::min(size - i, std::size_t{lanes});
    for (std::size_t j = 0; j < lanes; ++j) nu[j] = dof[i + std::min(j, n - 1)];
    at.slot = counting_from(i);
    store(chi, chi_at(at, random, ChiSampler(load(nu))));
    std::copy(chi, chi + n, out + i);
  }
}

void fill_permutation(std::uint64_t seed, std::uint32_t replica, std::uint64_t step,
                      std::size_t size, std::uint32_t* out) {
  const Philox random(seed);
  Address at = address(replica, Purpose::shuffle, step);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint32_t>(i);
  const std::uint64_t low_half = 0xFFFFFFFFu;
  for (std::size_t first = (size + lanes - 1) / lanes * lanes; first > 0;) {
    first -= lanes;
    Poll::spend(4 * lanes);
    at.slot = counting_from(first);
    std::uint64_t word[lanes];
    store_bits(word, random(at.counter()).a);
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
  const Output words = Philox(key)({{broadcast_bits(counter[0]), broadcast_bits(counter[1]),
                                     broadcast_bits(counter[2]), broadcast_bits(counter[3])}});
  std::uint64_t a[lanes], b[lanes];
  store_bits(a, words.a);
  store_bits(b, words.b);
  for (int i = 0; i < 2; ++i) {
    out[i] = static_cast<std::uint32_t>(a[0] >> (32 * (1 - i)));
    out[2 + i] = static_cast<std::uint32_t>(b[0] >> (32 * (1 - i)));
  }
}

}  // namespace lrft
