// The fields of the plain types, listed once: whoever reads, writes, checks or keeps one of them
// goes through its list, so a new field is a member, its line in the list and its use.
#pragma once

#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <vector>

namespace lrft {

using Dims = std::vector<std::int64_t>;

// shape: of an array whose sizes are fields of the same type; else null, and the array is flat.
template <class T, class M>
struct Field {
  const char* name;
  M T::* at;
  Dims (*shape)(const T&);
};
template <class T, class M>
constexpr Field<T, M> field(const char* name, M T::* at,
                            std::type_identity_t<Dims (*)(const T&)> shape = nullptr) {
  return {name, at, shape};
}

// Fields<T>::all is the tuple of T's fields, Names<E>::all the names of E's values in their order.
template <class T>
struct Fields;
template <class E>
struct Names;

template <class T, class Visit>
void each_field(const Visit& visit) {
  std::apply([&](const auto&... one) { (visit(one), ...); }, Fields<T>::all);
}

// Numbers that belong to somebody else, who lives as long as a copy of this.
template <class T>
struct Given {
  std::shared_ptr<const T> data;
  std::int64_t count = 0;
  std::size_t size() const { return static_cast<std::size_t>(count); }
  const T* begin() const { return data.get(); }
  const T* end() const { return begin() + count; }
  operator const T*() const { return begin(); }
};

}  // namespace lrft
