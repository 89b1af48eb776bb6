// What labels are made of: the output f*(x) of a task's teacher, from the fields of an input.
//
// The base with each neuron moved, f*(x) = output_scale sum_i lam_i sigma(neuron_scale (w_i + xi
// sum_j c_ij u_j) x), or a link of the fields u x (space/link.hpp).  Another teacher is another
// `output` of the same fields.
//
// Cost an input: k values of the activation, about 2 k r operations; or what the link says.
#pragma once

#include "activation/activation.hpp"
#include "lrft/poll.hpp"
#include "simd/columns.hpp"
#include "space/link.hpp"
#include "space/space.hpp"

namespace lrft {

template <class Layout>
class Teacher {
 public:
  using Scalar = typename Layout::Scalar;

  Teacher(const Shape& shape, const RunSpec& spec)
      : shape_(shape),
        packs_(Layout::packs(shape.k)),
        activation_(make_activation(spec.activation)),
        link_(shape, spec),
        c_(packs_ * shape.rank),
        lam_(packs_),
        target_(packs_) {}

  void set_task(int lane, const TaskData& task) {
    put_columns<Layout>(lam_, lane, task.lam, shape_.k, 1);
    put_columns<Layout>(c_, lane, task.c, shape_.k, shape_.rank);
    put(xi_, lane, task.xi);
    put(neuron_scale_, lane, task.neuron_scale);
    put(output_scale_, lane, task.output_scale);
    link_.set_task(lane, task);
  }
  // f*(x).
  Scalar output(const TaughtInput<Scalar>& x) {
    if (shape_.slow()) Poll::spend(shape_.units / shape_.batch / 2);
    if (link_.there()) return link_(x.teacher);
    const Pack scale = Layout::spread(neuron_scale_);
    for (int i = 0; i < packs_; ++i) target_[i] = scale * x.features[i];
    for (int j = 0; j < shape_.rank; ++j) {
      const Pack v = Layout::spread(neuron_scale_ * xi_ * x.teacher[j]);
      for (int i = 0; i < packs_; ++i) target_[i] = fma(c_[j * packs_ + i], v, target_[i]);
    }
    activation_.value(activation_.data, target_.doubles(), target_.doubles(), packs_);
    Pack y = broadcast(0.0);
    for (int i = 0; i < packs_; ++i) y = fma(lam_[i], target_[i], y);
    return output_scale_ * Layout::reduce(y);
  }

 private:
  Shape shape_;
  int packs_;
  Activation activation_;
  LinkOutput<Layout> link_;
  AlignedPacks c_;       // (r, k)
  AlignedPacks lam_;     // (k)
  AlignedPacks target_;  // (k)
  Scalar xi_ = Layout::constant(0), neuron_scale_ = Layout::constant(0),
         output_scale_ = Layout::constant(0);
};

}  // namespace lrft
