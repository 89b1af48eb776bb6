#include "drive.hpp"

#include "space/reduced.hpp"
#include "student/list.hpp"
#include "train/step.hpp"

namespace lrft {
namespace {

// A reduced space whose T and label noise come from outside.
struct Given {
  using Layout = ReplicaLanes;
  using Scalar = Pack;
  using Input = TaughtInput<Pack>;
  ReducedSpace<>& space;
  int lane;
  const double *T, *noise;
  int inputs() const { return space.inputs(); }
  double share() const { return space.share(); }
  Input input(int b) const { return space.input(b); }
  Pack label(int b) const { return broadcast(noise[b]); }
  void move(const Move<Pack>& move) { space.move_given(move.G, move.M, move.unit, lane, T); }
  Pack health() const { return space.health(); }
};

template <class Student>
class DriveReduced final : public Drive {
 public:
  DriveReduced(const RunSpec& spec, const std::vector<double>& rows, const std::vector<double>& own,
               int lane)
      : lane_(lane),
        optimiser_(shape_of(spec)),
        space_(shape_of(spec), spec),
        student_(shape_of(spec), spec.student, make_activation(spec.activation)) {
    space_.set_task(lane, spec.tasks.front(), 0);
    student_.set_task(lane, spec.tasks.front(), spec.student);
    space_.set_rows(lane, rows);
    if (spec.student.linearized) student_.set_start(lane, own);
    student_.set_own(lane, own);
  }
  void step(const double* X_S, const double* Z, const double* T, const double* noise, double lr,
            double lr_own) override {
    space_.set_coordinates(lane_, X_S, Z);
    Given given{space_, lane_, T, noise};
    TrainingData plan;
    plan.lr.rate = lr;
    plan.lr_own.rate = lr_own;
    optimiser_.set(lane_, plan, 0);
    lrft::step(given, student_, loss_, optimiser_);
  }
  std::vector<double> rows() const override { return space_.rows_of(lane_); }
  std::vector<double> own() const override { return student_.own_of(lane_); }

 private:
  int lane_;
  Squared<ReplicaLanes> loss_;
  Descent<ReplicaLanes> optimiser_;
  ReducedSpace<> space_;
  Student student_;
};

}  // namespace

std::unique_ptr<Drive> make_drive(const RunSpec& spec, const std::vector<double>& rows,
                                  const std::vector<double>& own, int lane) {
  return with_student<ReplicaLanes>(
      spec.student.kind, [&]<class T>(std::type_identity<T>) -> std::unique_ptr<Drive> {
        return std::make_unique<DriveReduced<T>>(spec, rows, own, lane);
      });
}

}  // namespace lrft
