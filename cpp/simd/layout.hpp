// How the k neurons of a network sit in packs.
//
// A student is written once, on arrays of packs, for both spaces:
//   ReplicaLanes  the eight entries of a pack are eight replicas; neuron i is
//                 pack i, and what is one number a replica is a Pack.
//   NeuronLanes   one replica; eight neurons share a pack (the last is padded
//                 with zeros), and what is one number a replica is a double.
// `entry` is the number of neuron i, one a replica.
// `reduce` turns a sum over packs into the sum over neurons.
#pragma once

#include "simd/pack.hpp"

namespace lrft {

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
};

}  // namespace lrft
