// How this copy of the engine was compiled.  Plain types: the bindings read it.
#pragma once

namespace lrft {

struct BuildInfo {
  const char* isa;       // "x86-64", "x86-64-v3", "x86-64-v4" or "native"
  const char* flags;     // the engine's optimisation and machine flags
  const char* compiler;  // e.g. "GCC 12.2.0"
  const char* eigen;     // e.g. "3.4.1"
};

BuildInfo build_info();

}  // namespace lrft
