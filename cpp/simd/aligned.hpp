// An array of packs on a cache-line boundary, zero to begin with.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "simd/pack.hpp"

namespace lrft {

class AlignedPacks {
 public:
  explicit AlignedPacks(int size = 0) : size_(size), data_(allocate(size)) {}
  AlignedPacks(const AlignedPacks& other) : AlignedPacks(other.size_) {
    std::memcpy(static_cast<void*>(data_), other.data_, bytes(size_));
  }
  AlignedPacks(AlignedPacks&& other) noexcept : size_(other.size_), data_(other.data_) {
    other.size_ = 0;
    other.data_ = nullptr;
  }
  AlignedPacks& operator=(AlignedPacks other) noexcept {
    std::swap(size_, other.size_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~AlignedPacks() { std::free(data_); }

  int size() const { return size_; }
  Pack* data() { return data_; }
  const Pack* data() const { return data_; }
  Pack& operator[](int i) { return data_[i]; }
  const Pack& operator[](int i) const { return data_[i]; }
  double* doubles() { return reinterpret_cast<double*>(data_); }
  const double* doubles() const { return reinterpret_cast<const double*>(data_); }

 private:
  static std::size_t bytes(int size) { return static_cast<std::size_t>(size) * sizeof(Pack); }
  static Pack* allocate(int size) {
    if (size == 0) return nullptr;
    void* p = std::aligned_alloc(sizeof(Pack), bytes(size));
    if (p == nullptr) throw std::bad_alloc();
    std::memset(p, 0, bytes(size));
    return static_cast<Pack*>(p);
  }
  int size_;
  Pack* data_;
};

}  // namespace lrft
