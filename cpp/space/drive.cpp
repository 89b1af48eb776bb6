#include "space/drive.hpp"

#include "space/product.hpp"
#include "space/reduced_memory.hpp"
#include "student/list.hpp"
#include "train/step.hpp"

namespace lrft {
namespace {

// A reduced space whose T and label noise come from outside.
template <class Space>
struct Given {
  using Layout = ReplicaLanes;
  using Scalar = Pack;
  using Input = TaughtInput<Pack>;
  Space& space;
  int lane;
  const double *T, *noise;
  int inputs() const { return space.inputs(); }
  double share() const { return space.share(); }
  Input input(int b) const { return space.input(b); }
  Pack label(int b) const { return broadcast(noise[b]); }
  void move(const Move<Pack>& move) { space.move_given(move.G, move.M, move.unit, lane, T); }
  void take_gradient(const Pack* G) { space.take_gradient(G); }
  Pack gradient_square() const { return space.gradient_square_given(lane, T); }
  Pack along_velocity(int j) const { return space.along_velocity(j); }
  void move(const MixedMove<Pack>& move) { space.move_given(move, lane, T); }
  Pack health() const { return space.health(); }
};

template <class Space, class Student, class Optimiser>
class DriveReduced final : public Drive {
 public:
  DriveReduced(const RunSpec& spec, const std::vector<double>& rows, const std::vector<double>& own,
               int lane)
      : lane_(lane),
        plan_(spec.trainings.front()),
        optimiser_(shape_of(spec)),
        space_(shape_of(spec), spec),
        student_(shape_of(spec), spec.student, make_activation(spec.activation)) {
    space_.set_task(lane, spec.tasks.front(), 0);
    student_.set_task(lane, spec.tasks.front(), spec.student);
    space_.set_rows(lane, rows);
    const bool given = spec.student.init_own == InitOwn::given;
    if (spec.student.linearized) student_.set_start(lane, given ? spec.student.own : own);
    student_.set_own(lane, own);
    optimiser_.remember(lane, student_, own);
  }
  void step(const double* X_S, const double* Z, const double* T, const double* noise, double lr,
            double lr_own) override {
    space_.set_coordinates(lane_, X_S, Z);
    Given<Space> given{space_, lane_, T, noise};
    plan_.lr.rate = lr;
    plan_.lr_own.rate = lr_own;
    optimiser_.set(lane_, plan_, step_++);
    lrft::step(given, student_, loss_, optimiser_);
  }
  std::vector<double> rows() const override { return space_.rows_of(lane_); }
  std::vector<double> own() const override { return student_.own_of(lane_); }

 private:
  int lane_;
  std::int64_t step_ = 0;
  TrainingData plan_;
  Squared<ReplicaLanes> loss_;
  Optimiser optimiser_;
  Space space_;
  Student student_;
};

}  // namespace

std::unique_ptr<Drive> make_drive(const RunSpec& spec, const std::vector<double>& rows,
                                  const std::vector<double>& own, int lane) {
  return with_student<ReplicaLanes>(
      spec.student.kind, [&]<class T>(std::type_identity<T>) -> std::unique_ptr<Drive> {
        const auto made = [&]<class S, class O>(std::type_identity<S>,
                                                std::type_identity<O>) -> std::unique_ptr<Drive> {
          return std::make_unique<DriveReduced<S, T, O>>(spec, rows, own, lane);
        };
        if (shape_of(spec).plain)
          return made(std::type_identity<ReducedSpace<>>{},
                      std::type_identity<Descent<ReplicaLanes>>{});
        return made(std::type_identity<ReducedMemory>{},
                    std::type_identity<AnyOptimiser<ReplicaLanes>>{});
      });
}

std::vector<double> Products::product(const double* a, const double* x, int rows, int depth,
                                      int columns) {
  std::vector<double> y(static_cast<std::size_t>(rows * columns));
  lrft::product({a, depth, 1}, rows, {x, columns}, depth, columns, y.data(), columns);
  return y;
}
std::vector<double> Products::gram(const double* x, int depth, int columns) {
  std::vector<double> y(static_cast<std::size_t>(columns * columns));
  lrft::gram({x, columns}, depth, columns, y.data());
  return y;
}
std::vector<double> Products::transposed(const double* a, const double* x, int rows, int depth,
                                         int columns) {
  std::vector<double> y(static_cast<std::size_t>(rows * depth)),
      turned(static_cast<std::size_t>(depth * columns));
  product_transposed(a, rows, {x, columns}, depth, columns, y.data(), depth, turned.data());
  return y;
}

}  // namespace lrft
