// Who may stop the engine: signals on the main thread, a `Stop`, and the end of the interpreter.
#include "work.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace lrft::bindings {
namespace {

// What a thread that works for another is stopped with.
struct Stop {
  std::atomic<bool> set{false};
};
thread_local std::vector<const Stop*> stops_here;

std::atomic<bool> ending{false};
// Calls on threads that Python does not wait for, or may not, counted so that its end can.
std::atomic<int> working{0}, forks{0};
std::atomic<unsigned long> main_thread{0};
PyObject* cancelled_type = nullptr;

bool on_main_thread() { return PyThread_get_thread_ident() == main_thread; }
bool stopped() {
  return std::any_of(stops_here.begin(), stops_here.end(),
                     [](const Stop* stop) { return stop->set.load(); });
}
bool asked() {
  if (stopped()) return true;
  if (!on_main_thread()) return ending;
  const py::gil_scoped_acquire acquire;
  return PyErr_CheckSignals() != 0;
}

// No thread may come back to an interpreter that has gone: what runs is left, and waited for.
void end() {
  ending = true;
  while (working > 0) {
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    const py::gil_scoped_release release;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}
void settle_main_thread() {
  main_thread =
      py::module_::import("threading").attr("main_thread")().attr("ident").cast<unsigned long>();
}

}  // namespace

Working::Working() : counted_(!on_main_thread()), fork_(forks), ask_(&asked) {
  if (counted_) ++working;
  try {
    raise_if_left();
  } catch (...) {
    if (counted_) --working;
    throw;
  }
}
Working::~Working() {
  if (counted_ && fork_ == forks) --working;
}
void Working::raise_if_left() const {
  if (PyErr_Occurred() == nullptr) {
    if (stopped())
      PyErr_SetString(cancelled_type, "stopped by the thread it worked for");
    else if (ending && !on_main_thread())
      PyErr_SetNone(PyExc_SystemExit);  // ends a thread without a word
  }
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();
}

void bind_work(py::module_& m) {
  cancelled_type =
      PyErr_NewExceptionWithDoc("lrft._core.Cancelled", "Raised in a thread whose `Stop` was set.",
                                PyExc_KeyboardInterrupt, nullptr);
  m.attr("Cancelled") = py::handle(cancelled_type);
  py::class_<Stop>(m, "Stop",
                   "Stops the engine in threads that work for another: inside `with stop:`, long "
                   "calls raise Cancelled within milliseconds after set().")
      .def(py::init<>())
      .def(
          "set", [](Stop& stop) { stop.set = true; }, "From any thread.")
      .def(
          "__enter__",
          [](Stop& self) -> Stop& {
            stops_here.push_back(&self);
            return self;
          },
          py::return_value_policy::reference)
      .def(
          "__exit__",
          [](const Stop&, const py::object&, const py::object&, const py::object&) {
            stops_here.pop_back();
          },
          py::arg("kind"), py::arg("error"), py::arg("trace"));
  settle_main_thread();
  py::module_::import("atexit").attr("register")(py::cpp_function(&end));
  const auto in_child = [] {  // where only the thread that forked is left
    settle_main_thread();
    working = 0;
    ++forks;
  };
  const py::module_ os = py::module_::import("os");
  if (py::hasattr(os, "register_at_fork"))
    os.attr("register_at_fork")(py::arg("after_in_child") = py::cpp_function(in_child));
}

}  // namespace lrft::bindings
