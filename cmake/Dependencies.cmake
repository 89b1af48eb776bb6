# Python, pybind11, Eigen and threads.  None of them needs a system package:
# pybind11 and Eigen come as build requirements from PyPI when not found here.

find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)

# --- pybind11: scikit-build-core points to it; a plain `cmake` asks Python.
if(NOT pybind11_DIR AND NOT SKBUILD)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -m pybind11 --cmakedir
    OUTPUT_VARIABLE pybind11_hint OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(pybind11_ROOT "${pybind11_hint}")
endif()
find_package(pybind11 3.0 CONFIG REQUIRED)

# --- Eigen: the system's if it is 3.4 or later, else the PyPI package cmeel-eigen.
find_package(Eigen3 3.4 QUIET NO_MODULE)
if(NOT TARGET Eigen3::Eigen)
  execute_process(
    COMMAND
      "${Python_EXECUTABLE}" -c
      "import os, sys
tails = [os.path.join(p, 'cmeel.prefix', 'share', 'eigen3', 'cmake') for p in sys.path]
print(next(filter(os.path.isdir, tails), ''))"
    OUTPUT_VARIABLE eigen_hint OUTPUT_STRIP_TRAILING_WHITESPACE)
  find_package(Eigen3 3.4 QUIET NO_MODULE PATHS "${eigen_hint}" NO_DEFAULT_PATH)
endif()
if(NOT TARGET Eigen3::Eigen)
  message(FATAL_ERROR "Eigen 3.4 or later not found. Install it, or `pip install cmeel-eigen` "
                      "into the Python at ${Python_EXECUTABLE}, or set Eigen3_DIR.")
endif()
message(STATUS "Eigen ${Eigen3_VERSION} in ${Eigen3_DIR}")

# --- Threads are the standard library's (cpp/train/threads.hpp).
find_package(Threads REQUIRED)
