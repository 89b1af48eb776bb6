// An array of packs on a cache-line boundary, zero to begin with.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "simd/pack.hpp"

namespace lrft {

class AlignedPacks {
 public:
  explicit AlignedPacks(int size = 0) : size_(size), base_(allocate(size)), data_(aligned(base_)) {}
  AlignedPacks(const AlignedPacks& other) : AlignedPacks(other.size_) {
    if (size_ > 0) std::memcpy(static_cast<void*>(data_), other.data_, bytes(size_));
  }
  AlignedPacks(AlignedPacks&& other) noexcept
      : size_(other.size_), base_(other.base_), data_(other.data_) {
    other.size_ = 0;
    other.base_ = nullptr;
    other.data_ = nullptr;
  }
  AlignedPacks& operator=(AlignedPacks other) noexcept {
    std::swap(size_, other.size_);
    std::swap(base_, other.base_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~AlignedPacks() { std::free(base_); }

  int size() const { return size_; }
  Pack* data() { return data_; }
  const Pack* data() const { return data_; }
  Pack& operator[](int i) { return data_[i]; }
  const Pack& operator[](int i) const { return data_[i]; }
  double* doubles() { return reinterpret_cast<double*>(data_); }
  const double* doubles() const { return reinterpret_cast<const double*>(data_); }

 private:
  static std::size_t bytes(int size) { return static_cast<std::size_t>(size) * sizeof(Pack); }
  // Zeros that the system gives need not be written: a large array costs nothing until it is used.
  static void* allocate(int size) {
    if (size == 0) return nullptr;
    void* p = std::calloc(bytes(size) + sizeof(Pack), 1);
    if (p == nullptr) throw std::bad_alloc();
    return p;
  }
  static Pack* aligned(void* base) {
    const auto at = reinterpret_cast<std::uintptr_t>(base);
    return reinterpret_cast<Pack*>((at + sizeof(Pack) - 1) / sizeof(Pack) * sizeof(Pack));
  }
  int size_;
  void* base_;
  Pack* data_;
};

}  // namespace lrft
