// How the k neurons of a network sit in packs.
//
// A student is written once, on arrays of packs, for both spaces:
//   ReplicaLanes  the eight entries of a pack are eight replicas; neuron i is
//                 pack i, and what is one number a replica is a Pack.
//                 (What is drawn for few may be folded: space/fold.hpp.)
//   NeuronLanes   one replica; eight neurons share a pack (the last is padded
//                 with zeros), and what is one number a replica is a double.
// `entry` is the number of neuron i, one a replica.
// `reduce` turns a sum over packs into the sum over neurons.
// `load` takes a number a replica, `all` says whether something holds for every replica.
#pragma once

#include <cmath>

#include "simd/pack.hpp"

namespace lrft {

// The same words for one number a replica, whether that is a Pack or a double.
LRFT_INLINE double sqrt(double x) { return std::sqrt(x); }
LRFT_INLINE double abs(double x) { return std::abs(x); }
LRFT_INLINE double get(const Pack& p, int lane) {
  return reinterpret_cast<const double*>(&p)[lane];
}
LRFT_INLINE double get(double p, int) { return p; }
LRFT_INLINE void put(Pack& p, int lane, double x) { reinterpret_cast<double*>(&p)[lane] = x; }
LRFT_INLINE void put(double& p, int, double x) { p = x; }

struct ReplicaLanes {
  using Scalar = Pack;
  static constexpr int replicas = lanes;
  static int packs(int k) { return k; }
  // Where neuron i of the replica in `lane` sits in an array of packs, in doubles.
  static int at(int i, int lane) { return i * lanes + lane; }
  static LRFT_INLINE Scalar entry(const Pack* a, int i) { return a[i]; }
  static LRFT_INLINE void set_entry(Pack* a, int i, const Scalar& x) { a[i] = x; }
  static LRFT_INLINE Scalar reduce(const Pack& a) { return a; }
  static LRFT_INLINE Pack spread(const Scalar& a) { return a; }
  static LRFT_INLINE Scalar constant(double x) { return broadcast(x); }
  static LRFT_INLINE Scalar load(const double* a) { return lrft::load(a); }
  static LRFT_INLINE bool all(const Mask& holds) { return !any(~holds); }
};

struct NeuronLanes {
  using Scalar = double;
  static constexpr int replicas = 1;
  static int packs(int k) { return (k + lanes - 1) / lanes; }
  static int at(int i, int) { return i; }
  static LRFT_INLINE Scalar entry(const Pack* a, int i) {
    return reinterpret_cast<const double*>(a)[i];
  }
  static LRFT_INLINE void set_entry(Pack* a, int i, Scalar x) {
    reinterpret_cast<double*>(a)[i] = x;
  }
  static LRFT_INLINE Scalar reduce(const Pack& a) { return sum(a); }
  static LRFT_INLINE Pack spread(const Scalar& a) { return broadcast(a); }
  static LRFT_INLINE Scalar constant(double x) { return x; }
  static LRFT_INLINE Scalar load(const double* a) { return a[0]; }
  static LRFT_INLINE bool all(bool holds) { return holds; }
};

}  // namespace lrft
