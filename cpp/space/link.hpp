// A teacher that is a function of its fields t = u x alone: a network of its own, or a multi-index
// polynomial (LinkKind in lrft/types.hpp).
//
// Cost an input: r values of the activation; or r (degree) + terms r multiplications.
#pragma once

#include <algorithm>
#include <vector>

#include "activation/activation.hpp"
#include "simd/columns.hpp"
#include "space/shape.hpp"

namespace lrft {

template <class Layout>
class LinkOutput {
 public:
  using Scalar = typename Layout::Scalar;

  LinkOutput(const Shape& shape, const RunSpec& spec)
      : LinkOutput(shape, spec.tasks.front(), spec.link_activation) {}

  // Neither kind where the teacher is a perturbed base.
  bool there() const { return kind_ != LinkKind::none; }
  void set_task(int lane, const TaskData& task) {
    if (!there()) return;
    const auto count = static_cast<int>(task.weights.size());
    put_columns<Layout>(weights_, lane, task.weights, count, 1);
    biased_ = biased_ || !task.biases.empty();
    const std::vector<double> none(static_cast<std::size_t>(biased_ ? r_ : 0), 0.0);
    if (biased_)
      put_columns<Layout>(biases_, lane, task.biases.empty() ? none : task.biases, r_, 1);
  }
  // f*(x) from the fields (r).
  Scalar operator()(const Scalar* fields) {
    return kind_ == LinkKind::network ? network(fields) : polynomial(fields);
  }

 private:
  LinkOutput(const Shape& shape, const TaskData& task, const ActivationSpec& activation)
      : kind_(task.link),
        r_(shape.rank),
        terms_(task.terms),
        powers_(task.powers),
        degree_(powers_.empty() ? 0 : *std::max_element(powers_.begin(), powers_.end())),
        activation_(make_activation(activation)),
        weights_(Layout::packs(kind_ == LinkKind::network ? r_ : std::max(terms_, 1))),
        neurons_(kind_ == LinkKind::network ? Layout::packs(r_) : 0),
        biases_(neurons_),
        hermite_(static_cast<std::size_t>(r_ * (degree_ + 1)), Layout::constant(1)) {
    for (int p = 0; p <= degree_; ++p) {
      rise_.push_back(1 / std::sqrt(p + 1.0));
      fall_.push_back(std::sqrt(p / (p + 1.0)));
    }
  }

  Scalar network(const Scalar* fields) {
    const int packs = neurons_.size();
    neurons_[packs - 1] = broadcast(0.0);  // what only fills up stays finite
    for (int i = 0; i < r_; ++i) Layout::set_entry(neurons_.data(), i, fields[i]);
    for (int i = 0; biased_ && i < packs; ++i) neurons_[i] = neurons_[i] + biases_[i];
    activation_.value(activation_.data, neurons_.doubles(), neurons_.doubles(), packs);
    Pack sum = broadcast(0.0);
    for (int i = 0; i < packs; ++i) sum = fma(weights_[i], neurons_[i], sum);
    return Layout::reduce(sum);
  }
  Scalar polynomial(const Scalar* fields) {
    const int width = degree_ + 1;
    for (int j = 0; j < r_; ++j) {
      Scalar* he = hermite_.data() + j * width;  // he[0] = 1
      for (int p = 0; p < degree_; ++p) {
        const auto at = static_cast<std::size_t>(p);
        he[p + 1] = rise_[at] * (fields[j] * he[p]);
        if (p > 0) he[p + 1] = he[p + 1] - fall_[at] * he[p - 1];
      }
    }
    Scalar sum = Layout::constant(0);
    for (int t = 0; t < terms_; ++t) {
      Scalar product = Layout::entry(weights_.data(), t);
      for (int j = 0; j < r_; ++j) {
        const int p = powers_[static_cast<std::size_t>(t * r_ + j)];
        if (p > 0) product = product * hermite_[static_cast<std::size_t>(j * width + p)];
      }
      sum = sum + product;
    }
    return sum;
  }

  LinkKind kind_;
  int r_, terms_;
  std::vector<int> powers_;  // (terms, r)
  int degree_;
  Activation activation_;
  AlignedPacks weights_, neurons_;   // (r), or (terms) and nothing
  AlignedPacks biases_;              // (r), or nothing
  std::vector<Scalar> hermite_;      // (r, degree + 1)
  std::vector<double> rise_, fall_;  // (degree + 1)  of the recursion of he_p
  bool biased_ = false;
};

}  // namespace lrft
