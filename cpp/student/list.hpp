// Every student, by its kind.
#pragma once

#include <type_traits>

#include "student/full.hpp"
#include "student/low_rank.hpp"

namespace lrft {

// f(type) for the student of this kind, in a space of this layout.
template <class Layout, class F>
auto with_student(StudentKind kind, const F& f) {
  switch (kind) {
    case StudentKind::rank_one:
    case StudentKind::lora:
    case StudentKind::sphere_lora:
      break;
    case StudentKind::full:
      return f(std::type_identity<Full<Layout>>{});
  }
  return f(std::type_identity<LowRank<Layout>>{});
}

}  // namespace lrft
