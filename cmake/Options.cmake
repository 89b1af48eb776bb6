# What a builder can choose.

option(LRFT_WERROR "Treat compiler warnings as errors (developers and CI only)" OFF)
option(LRFT_TESTING "Build what Python tests reach beside the package's modules" OFF)
option(BUILD_TESTING "Build the tests in C++, for ctest" OFF)
set(LRFT_SANITIZE "" CACHE STRING "Sanitizers, e.g. address,undefined; empty for none")
set(LRFT_ISAS "all" CACHE STRING
    "Instruction sets: all, host, native, or a list of x86-64;x86-64-v3;x86-64-v4")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# Compiler caches (ccache) miss what is compiled after a precompiled header.
if(CMAKE_CXX_COMPILER_LAUNCHER AND NOT DEFINED CMAKE_DISABLE_PRECOMPILE_HEADERS)
  set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
