#include "drive.hpp"

#include "space/any_labels.hpp"
#include "space/reduced_general.hpp"
#include "student/list.hpp"
#include "train/any_optimiser.hpp"
#include "train/reuse.hpp"
#include "train/step.hpp"

namespace lrft {
namespace {

using General = AnyLabels<ReducedGeneral>;

// A reduced space whose T and label noise come from outside; `rest`: T is set, as that of a batch
// of no more inputs than rows, or one used again, can be, and a step is the space's own.
template <class Space>
struct Given {
  using Layout = ReplicaLanes;
  using Scalar = Pack;
  using Input = typename Space::Input;
  static constexpr bool labelled = false;
  Space& space;
  bool rest;
  int lane;
  const double *T, *noise;
  int inputs() const { return space.inputs(); }
  double share() const { return space.share(); }
  Input input(int b) const { return space.input(b); }
  Pack label(int b) const {
    if constexpr (Reusable<Space>)
      if (space.whole()) return space.label(b);
    return broadcast(noise[b]);
  }
  void move(const Move<Pack>& move) {
    if (rest)
      space.move(move);
    else
      space.move_given(move.G, move.M, move.unit, lane, T);
  }
  void again() { space.again(); }
  void done() { space.done(); }
  void mark() { space.mark(); }
  void back() { space.back(); }
  void take_gradient(const Pack* G) { space.take_gradient(G); }
  Pack gradient_square() const {
    return rest ? space.gradient_square() : space.gradient_square_given(lane, T);
  }
  Pack along_velocity(int j) const { return space.along_velocity(j); }
  void move(const MixedMove<Pack>& move) {
    if (rest)
      space.move(move);
    else
      space.move_given(move, lane, T);
  }
  Pack health() const { return space.health(); }
};

template <class Space, class Student, class Loss, class Optimiser>
class DriveReduced final : public Drive {
 public:
  DriveReduced(const RunSpec& spec, const std::vector<double>& rows, const std::vector<double>& own,
               int lane)
      : lane_(lane),
        plan_(spec.trainings.front()),
        rest_(Reusable<Space> && (plan_.uses() > 1 || plan_.batch <= spec.student.rows)),
        optimiser_(shape_of(spec)),
        reuse_(shape_of(spec)),
        space_(shape_of(spec), spec),
        student_(shape_of(spec), spec.student, make_activation(spec.activation)) {
    space_.set_task(lane, spec.tasks.front(), 0);
    student_.set_task(lane, spec.tasks.front(), spec.student);
    space_.set_rows(lane, rows);
    const bool given = spec.student.init_own == InitOwn::given;
    if (spec.student.linearized) student_.set_start(lane, given ? spec.student.own : own);
    student_.set_own(lane, own);
    loss_.set(lane, plan_);
    if constexpr (Reusable<Space>) space_.set_plan(lane, plan_);
    optimiser_.remember(lane, student_, own);
  }
  void step(const double* X_S, const double* Z, const double* T, const double* noise, double lr,
            double lr_own) override {
    space_.set_coordinates(lane_, X_S, Z);
    if constexpr (Reusable<Space>)
      if (space_.whole())
        space_.find_labels(nullptr, [noise](int b) { return broadcast(noise[b]); });
    Given<Space> given{space_, rest_, lane_, T, noise};
    plan_.lr.rate = lr;
    plan_.lr_own.rate = lr_own;
    optimiser_.set(lane_, plan_, step_++);
    if constexpr (Reusable<Space>) {
      if (rest_) space_.set_rest(lane_, T);
      if (plan_.uses() > 1) {
        reuse_.set(lane_, plan_);
        reuse_.template step<false>(given, student_, loss_, optimiser_);
        return;
      }
    }
    lrft::step<false>(given, student_, loss_, optimiser_);
  }
  std::vector<double> rows() const override { return space_.rows_of(lane_); }
  std::vector<double> own() const override { return student_.own_of(lane_); }

 private:
  int lane_;
  TrainingData plan_;
  bool rest_;
  Loss loss_;
  Optimiser optimiser_;
  Reuse<ReplicaLanes> reuse_;
  std::int64_t step_ = 0;
  Space space_;
  Student student_;
};

}  // namespace

std::unique_ptr<Drive> make_drive(const RunSpec& spec, const std::vector<double>& rows,
                                  const std::vector<double>& own, int lane) {
  return with_student<ReplicaLanes>(
      spec.student.kind, [&]<class T>(std::type_identity<T>) -> std::unique_ptr<Drive> {
        const auto made = [&]<class S, class L, class O>(
                              std::type_identity<S>, std::type_identity<L>,
                              std::type_identity<O>) -> std::unique_ptr<Drive> {
          return std::make_unique<DriveReduced<S, T, L, O>>(spec, rows, own, lane);
        };
        if (spec.plain())
          return made(std::type_identity<ReducedSpace<>>{},
                      std::type_identity<Squared<ReplicaLanes>>{},
                      std::type_identity<Descent<ReplicaLanes>>{});
        return made(std::type_identity<General>{}, std::type_identity<AnyLoss<ReplicaLanes>>{},
                    std::type_identity<AnyOptimiser<ReplicaLanes>>{});
      });
}

}  // namespace lrft
