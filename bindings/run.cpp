// Runs, and their chains as dictionaries.
#include <cmath>
#include <stdexcept>

#include "space/shape.hpp"
#include "spec.hpp"
#include "work.hpp"

namespace lrft::bindings {
namespace {

// Keeps the ambient arrays alive as long as the run that points into them.
class BoundRun {
 public:
  explicit BoundRun(const py::dict& spec);

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
  py::list chains() const;
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
    int counts[5] = {};
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

  std::vector<py::object> alive_;
  std::unique_ptr<Run> run_;
  bool fits_;          // given samples, so chains have more to say
  bool busy_ = false;  // read and written with the interpreter's lock held
};

py::dict write_chain(const Chain& c, bool fits) {
  py::dict d;
  d["task"] = c.task;
  d["training"] = c.training;
  d["replica"] = c.replica;
  d["status"] = status_names[static_cast<int>(c.status)];
  d["step"] = c.step;
  d["overlap_u"] = to_array(c.overlap_u);
  d["overlap_c"] = to_array(c.overlap_c);
  d["loss"] = to_array(c.loss);
  d["hits"] = c.hits;
  d["loss_hits"] = c.loss_hits;
  d["last_overlap"] = c.last_overlap;
  d["final_overlap_u"] = to_array(c.last.overlap_u);
  d["final_overlap_c"] = to_array(c.last.overlap_c);
  d["final_loss"] = c.last.loss;
  d["state_step"] = c.state_step;
  d["rows"] = to_array(c.rows);
  d["own"] = to_array(c.own);
  if (!fits) return d;
  d["squared"] = c.squared;
  d["seen"] = c.seen;
  d["held_out"] = to_array(c.held_out);
  d["kept_step"] = c.kept_step;
  d["kept_rows"] = to_array(c.kept_rows);
  d["kept_own"] = to_array(c.kept_own);
  return d;
}

BoundRun::BoundRun(const py::dict& spec) : fits_(spec.contains("data")) {
  run_ = make_run(read_spec(spec, alive_));
}

py::list BoundRun::chains() const {
  check_idle();
  py::list out;
  for (const Chain& chain : run_->chains()) out.append(write_chain(chain, fits_));
  return out;
}

}  // namespace

void bind_run(py::module_& m) {
  m.def("block_steps", &block_steps, py::arg("d"), py::arg("batch"),
        "Steps between two states in R^d from which a path can go on.");
  py::class_<BoundRun>(m, "Run", "A set of chains being trained; see lrft.simulate.")
      .def(py::init<const py::dict&>(), Door(), py::arg("spec"))
      .def("advance", &BoundRun::advance, Door(), py::arg("seconds"),
           "Work for about `seconds`; True when every chain has ended.")
      .def("save", &BoundRun::save, Door(),
           "Bring the state of running students into their chains.")
      .def("observe", &BoundRun::observe, Door(),
           "Bring what is seen of running students where they stand into their chains.")
      .def("chains", &BoundRun::chains, "Every chain as a dictionary.")
      .def("progress", &BoundRun::progress, Door(),
           "(waiting, running, ended, diverged, mean |overlap_u|).")
      .def_property_readonly("steps_done", &BoundRun::steps_done);
}

}  // namespace lrft::bindings
