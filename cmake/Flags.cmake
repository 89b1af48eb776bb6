# lrft_flags: what every file is compiled with, whatever its instruction set.
#
# -ffp-contract=off  a*b+c is two roundings unless the source says fma, so that
#                    results do not depend on what the compiler chose to fuse.
# -fno-math-errno    lets sqrt be one instruction; changes no value.
# ggc-min-heapsize   memory (KiB) up to which GCC does not look for garbage: a tenth of the time.
# -ffast-math and its parts stay off: they would break the bitwise promise.

add_library(lrft_flags INTERFACE)
target_compile_options(
  lrft_flags
  INTERFACE -ffp-contract=off
            -fno-math-errno
            $<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=524288>
            -Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wconversion
            -Werror=switch-enum
            $<$<CXX_COMPILER_ID:GNU>:-Wno-psabi> # vectors are never passed between sets
            # GCC 12 warns about its own AVX-512 headers (GCC bug 105593).
            $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-uninitialized>
            $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-maybe-uninitialized>
            $<$<BOOL:${LRFT_WERROR}>:-Werror>)

if(LRFT_SANITIZE)
  set(sanitize -fsanitize=${LRFT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_compile_options(lrft_flags INTERFACE ${sanitize})
  target_link_options(lrft_flags INTERFACE ${sanitize})
endif()
