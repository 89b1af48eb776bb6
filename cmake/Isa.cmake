# One engine and one module per instruction set.
#
# Only one of the modules is ever loaded into a process (lrft/core/isa.py), so the
# copies of templates and inline functions that different sets share by name
# never meet.  The bindings see plain types only and are compiled once.

include(CheckCXXCompilerFlag)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(LRFT_X86_64 TRUE)
  set(LRFT_BASELINE_FLAGS -march=x86-64 -mtune=generic)
else()
  set(LRFT_X86_64 FALSE)
  set(LRFT_BASELINE_FLAGS "")
endif()

# "host" is the best named level of this machine, and not -march=native, so that what was built
# says which machines it is for.  Where that cannot be asked, or the compiler is older: every set.
if(LRFT_ISAS STREQUAL "host")
  set(LRFT_ISAS all)
  if(LRFT_X86_64 AND NOT CMAKE_CROSSCOMPILING)
    try_run(LRFT_HOST_RUNS LRFT_HOST_COMPILES "${PROJECT_BINARY_DIR}/host"
            "${CMAKE_CURRENT_SOURCE_DIR}/cpp/isa/host.cpp" RUN_OUTPUT_VARIABLE host)
    if(LRFT_HOST_COMPILES AND LRFT_HOST_RUNS EQUAL 0)
      check_cxx_compiler_flag("-march=${host}" LRFT_COMPILER_HAS_HOST)
    endif()
    if(LRFT_COMPILER_HAS_HOST)
      set(LRFT_ISAS "${host}")
    endif()
  endif()
endif()

# "all" is every set the compiler knows; elsewhere than on x86-64, its baseline.
if(LRFT_ISAS STREQUAL "all")
  if(LRFT_X86_64)
    set(LRFT_ISAS x86-64)
    foreach(isa x86-64-v3 x86-64-v4)
      string(MAKE_C_IDENTIFIER "LRFT_COMPILER_HAS_${isa}" has)
      check_cxx_compiler_flag(-march=${isa} ${has})
      if(${has})
        list(APPEND LRFT_ISAS ${isa})
      else()
        message(WARNING "${CMAKE_CXX_COMPILER} does not know -march=${isa}: set left out.")
      endif()
    endforeach()
  else()
    set(LRFT_ISAS native)
  endif()
endif()

# The compiler's flags for a set.
function(lrft_isa_flags isa out)
  if(isa STREQUAL "native")
    # Asked for by name on x86-64: for this machine only. Elsewhere: the compiler's baseline.
    set(flags $<$<BOOL:${LRFT_X86_64}>:-march=native>)
  elseif(NOT LRFT_X86_64 OR NOT isa MATCHES "^x86-64(-v3|-v4)?$")
    message(FATAL_ERROR "LRFT_ISAS: '${isa}' is not an instruction set for "
                        "${CMAKE_SYSTEM_PROCESSOR}; expected all, host, native or a list of "
                        "x86-64;x86-64-v3;x86-64-v4 (on x86-64 only).")
  else()
    set(flags -march=${isa} -mtune=generic)
    if(isa STREQUAL "x86-64-v4")
      list(APPEND flags -mprefer-vector-width=512)
    endif()
  endif()
  # GCC before 13 sees uninitialised variables inside its own AVX-512 intrinsics (GCC bug 105593).
  # The baseline and v3, compiled from the same sources, keep the warning.
  if(isa MATCHES "native|v4" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU"
     AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    list(APPEND flags -Wno-uninitialized -Wno-maybe-uninitialized)
  endif()
  set(${out} "${flags}" PARENT_SCOPE)
endfunction()

# GCC leaves x86 vectors in the order of the source unless told to schedule them for the
# registers there are; Gaussian numbers are about a tenth faster for it.
set(LRFT_SCHEDULE_FLAGS "")
check_cxx_compiler_flag("-fschedule-insns -fsched-pressure" LRFT_COMPILER_SCHEDULES)
if(LRFT_COMPILER_SCHEDULES)
  set(LRFT_SCHEDULE_FLAGS $<$<CONFIG:Release,RelWithDebInfo>:-fschedule-insns>
                          $<$<CONFIG:Release,RelWithDebInfo>:-fsched-pressure>)
endif()

# How a file of the engine, or one that includes its packs, is compiled for a set.
function(lrft_engine_options target isa)
  lrft_isa_flags(${isa} flags)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/cpp"
                                               "${PROJECT_SOURCE_DIR}/cpp/include")
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release,RelWithDebInfo>:-O3> ${flags}
                                           ${LRFT_SCHEDULE_FLAGS})
  list(FILTER flags INCLUDE REGEX "^-m|^\\$<") # what `lrft info` shows
  string(JOIN " " shown_flags ${flags})
  target_compile_definitions(
    ${target}
    PRIVATE LRFT_ISA_NAME="${isa}" LRFT_ISA_FLAGS="-O3 -ffp-contract=off ${shown_flags}"
            EIGEN_DONT_PARALLELIZE)
  target_link_libraries(${target} PRIVATE lrft_flags Eigen3::Eigen)
endfunction()

# How a file of bindings is compiled: for the baseline, whatever the set, and quickly, as nothing
# here is called often.
function(lrft_bindings_options target)
  target_include_directories(
    ${target} PRIVATE "${PROJECT_SOURCE_DIR}/cpp" "${PROJECT_SOURCE_DIR}/cpp/include"
                      "${PROJECT_SOURCE_DIR}/bindings")
  target_link_libraries(${target} PRIVATE lrft_flags pybind11::module)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release,RelWithDebInfo>:-O1>
                                           ${LRFT_BASELINE_FLAGS})
endfunction()

# A module lrft/isa_<isa>/<name> from bindings, the engine and other objects of that set.
function(lrft_add_module target name isa component)
  string(MAKE_C_IDENTIFIER "${isa}" id)
  pybind11_add_module(${target} MODULE NO_EXTRAS ${ARGN} $<TARGET_OBJECTS:lrft_engine_${id}>)
  target_link_libraries(${target} PRIVATE lrft_flags Threads::Threads)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} LIBRARY_OUTPUT_DIRECTORY
                                             "${PROJECT_BINARY_DIR}/lrft/isa_${id}")
  install(TARGETS ${target} LIBRARY DESTINATION lrft/isa_${id} COMPONENT ${component})
endfunction()

# Targets lrft_engine_<isa> (objects) and lrft_core_<isa> (module lrft/isa_<isa>/_core).
function(lrft_add_core isa)
  string(MAKE_C_IDENTIFIER "${isa}" id)
  add_library(lrft_engine_${id} OBJECT ${LRFT_ENGINE_SOURCES})
  lrft_engine_options(lrft_engine_${id} ${isa})
  # What nearly every file reads, parsed once.
  target_precompile_headers(lrft_engine_${id} PRIVATE <algorithm> <functional> <memory>
                            <Eigen/Core> "${PROJECT_SOURCE_DIR}/cpp/include/lrft/types.hpp"
                            "${PROJECT_SOURCE_DIR}/cpp/simd/pack.hpp")
  lrft_add_module(lrft_core_${id} _core ${isa} python $<TARGET_OBJECTS:lrft_bindings>)
endfunction()
