// Runs.
#include <cmath>
#include <stdexcept>

#include "bind.hpp"
#include "lrft/run.hpp"
#include "work.hpp"

namespace lrft::bindings {
namespace {

class BoundRun {
 public:
  explicit BoundRun(const RunSpec& run) : run_(make_run(run)) {}

  bool advance(double seconds) {
    check_idle();
    const Busy busy(busy_);
    const Working working;
    bool done = false;
    {
      const py::gil_scoped_release release;
      done = run_->advance(seconds, working.ask());
    }
    working.raise_if_left();
    return done;
  }
  // Copies: the run goes on, and an object does not change.
  std::vector<Chain> chains() const {
    check_idle();
    return run_->chains();
  }
  std::int64_t steps_done() const {
    check_idle();
    return run_->steps_done();
  }
  void save() {
    check_idle();
    run_->save();
  }
  void observe() {
    check_idle();
    run_->observe();
  }
  py::tuple progress() const {
    check_idle();
    int counts[Names<Status>::all.size()] = {};
    double overlap = 0;
    int started = 0;
    for (const Chain& chain : run_->chains()) {
      ++counts[static_cast<int>(chain.status)];
      if (chain.status != Status::waiting && chain.status != Status::diverged) {
        overlap += std::abs(chain.last_overlap);
        ++started;
      }
    }
    return py::make_tuple(counts[0], counts[1], counts[2] + counts[3], counts[4],
                          started == 0 ? 0.0 : overlap / started);
  }

 private:
  struct Busy {
    explicit Busy(bool& flag) : flag_(flag) { flag_ = true; }
    ~Busy() { flag_ = false; }
    bool& flag_;
  };
  // The interpreter is free while a run advances; nothing else may look at it then.
  void check_idle() const {
    if (busy_) throw std::runtime_error("the run is advancing in another thread");
  }

  std::unique_ptr<Run> run_;
  bool busy_ = false;  // read and written with the interpreter's lock held
};

}  // namespace

void bind_run(py::module_& m) {
  py::class_<BoundRun>(m, "Run", py::module_local(),
                       "A set of chains being trained; see lrft.simulate.")
      .def(py::init<const RunSpec&>(), Door(), py::arg("run"))
      .def("advance", &BoundRun::advance, Door(), py::arg("seconds"),
           "Work for about `seconds`; True when every chain has ended.")
      .def("save", &BoundRun::save, Door(),
           "Bring the state of running students into their chains.")
      .def("observe", &BoundRun::observe, Door(),
           "Bring what is seen of running students where they stand into their chains.")
      .def("chains", &BoundRun::chains, "Every chain, as it is now.")
      .def("progress", &BoundRun::progress, Door(),
           "(waiting, running, ended, diverged, mean |overlap_u|).")
      .def_property_readonly("steps_done", &BoundRun::steps_done);
}

}  // namespace lrft::bindings
