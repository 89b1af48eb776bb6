// A few numbers of one kind: N of them inside the object, where the compiler can follow
// them from one use to the next; with N = 0, as many as asked for.
#pragma once

#include <array>
#include <vector>

namespace lrft {

template <class T, int N>
class Few {
 public:
  Few(int, const T& x) { data_.fill(x); }
  T* data() { return data_.data(); }
  const T* data() const { return data_.data(); }
  T& operator[](int i) { return data_[static_cast<std::size_t>(i)]; }
  const T& operator[](int i) const { return data_[static_cast<std::size_t>(i)]; }

 private:
  std::array<T, N> data_;
};

template <class T>
class Few<T, 0> {
 public:
  Few(int size, const T& x) : data_(static_cast<std::size_t>(size), x) {}
  T* data() { return data_.data(); }
  const T* data() const { return data_.data(); }
  T& operator[](int i) { return data_[static_cast<std::size_t>(i)]; }
  const T& operator[](int i) const { return data_[static_cast<std::size_t>(i)]; }

 private:
  std::vector<T> data_;
};

}  // namespace lrft
