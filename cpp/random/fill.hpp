// Addressed normals and chi variates one array at a time, for everything that
// is not inside the fused step: initial values, sampled tasks, tests.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lrft/purpose.hpp"

namespace lrft {

// out[i], i < size: normal i is the (i mod 2) number of slot i / 2.
void fill_normals(std::uint64_t seed, std::uint32_t replica, Purpose purpose, std::uint64_t step,
                  std::size_t size, double* out);
// out[i], i < size: a chi variate with dof[i] >= 1 degrees of freedom, slot i < 2^24.
void fill_chi(std::uint64_t seed, std::uint32_t replica, Purpose purpose, std::uint64_t step,
              std::size_t size, const double* dof, double* out);
// out: 0 .. size - 1 in random order, size < 2^32; order number `step` of the replica.  Fisher
// and Yates: entry i changes places with j <= i, the high half of (i + 1) times the 64 bits of
// slot i, so all orders are equally likely up to a relative error of size^2 / 2^64.
void fill_permutation(std::uint64_t seed, std::uint32_t replica, std::uint64_t step,
                      std::size_t size, std::uint32_t* out);
// Philox4x32-7 of one counter, for known answers.
void philox_words(const std::uint32_t counter[4], std::uint64_t key, std::uint32_t out[4]);

}  // namespace lrft
