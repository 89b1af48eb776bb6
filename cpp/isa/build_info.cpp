#include "isa/build_info.hpp"

#include <Eigen/src/Core/util/Macros.h>

#define LRFT_TEXT_(x) #x
#define LRFT_TEXT(x) LRFT_TEXT_(x)

namespace lrft {

BuildInfo build_info() {
  BuildInfo info{};
  info.isa = LRFT_ISA_NAME;
  info.flags = LRFT_ISA_FLAGS;
#if defined(__clang__)
  info.compiler = "Clang " __clang_version__;
#else
  info.compiler = "GCC " __VERSION__;
#endif
  info.eigen = LRFT_TEXT(EIGEN_WORLD_VERSION) "." LRFT_TEXT(EIGEN_MAJOR_VERSION) "." LRFT_TEXT(
      EIGEN_MINOR_VERSION);
  return info;
}

}  // namespace lrft
