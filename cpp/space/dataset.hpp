// The dataset space: inputs and labels that are given, in order or shuffled for each pass.
//
// A pass over N samples is ceil(N / batch) steps; the last takes the samples that are left.
// The order of pass e is a function of (seed, replica, e) alone, so a path can go on from any
// step.  Samples are copied a tile at a time, never as a whole: X may be a memory map.
#pragma once

#include <cstring>

#include "random/fill.hpp"
#include "space/blocks.hpp"

namespace lrft {

// X (depth, width), row-major = coordinates [begin, begin + depth) of the samples `which`
// (width); zero where that is negative.  Coordinates after those of a sample are `constant`.
inline void gather(const Samples& from, const std::int64_t* which, int width, Index begin,
                   Index depth, double* X, double constant = 1) {
  const Index given = std::min<Index>(depth, from.columns - begin);
  for (Index j = given; j < depth; ++j)
    for (int q = 0; q < width; ++q) X[j * width + q] = which[q] < 0 ? 0 : constant;
  depth = given;
  const auto copy = [&](auto number) {
    for (int q = 0; q < width; ++q) {
      if (which[q] < 0) {
        for (Index j = 0; j < depth; ++j) X[j * width + q] = 0;
        continue;
      }
      const char* at = from.X + which[q] * from.row_stride + begin * from.column_stride;
      for (Index j = 0; j < depth; ++j, at += from.column_stride) {
        std::memcpy(&number, at, sizeof number);
        X[j * width + q] = static_cast<double>(number);
      }
    }
  };
  if (from.single)
    copy(0.0F);
  else
    copy(0.0);
}

class GivenInputs final : public Inputs {
 public:
  static constexpr bool labelled = true;

  // The data outlive this; after the last step nothing is asked for.
  GivenInputs(const Shape& shape, const RunSpec& spec)
      : seed_(spec.seed),
        data_(&spec.data),
        end_(spec.trainings.front().steps),
        // Rows that do not move along the constant keep their part of it apart.
        one_(shape.still ? 0 : 1),
        batch_(shape.batch),
        used_(BlockSize(shape).used),
        N_(BlockSize(shape).N),
        which_(static_cast<std::size_t>(N_), -1),
        labels_(static_cast<std::size_t>(N_), 0.0) {}

  void set_task(const TaskData&, std::uint32_t replica) override {
    if (replica != replica_) shuffled_ = -1;
    replica_ = replica;
  }
  void begin(std::int64_t step) override {
    const std::int64_t pass = (data_->pass - 1) / batch_ + 1;  // its steps
    for (int q = 0; q < used_; ++q) {
      const std::int64_t t = step + q / batch_;
      const std::int64_t sample = t % pass * batch_ + q % batch_;
      std::int64_t row = -1;
      if (t < end_ && sample < data_->pass) {
        row = (data_->shuffle ? shuffled(t / pass, sample) : sample) - data_->first;
        if (row >= data_->train.rows) row = -1;  // a stream that has ended
      }
      which_[static_cast<std::size_t>(q)] = row;
      labels_[static_cast<std::size_t>(q)] = row < 0 ? 0 : data_->train.y[row];
    }
  }
  void draw(std::int64_t, int at) override { current_ = at * batch_; }
  int count() const override {
    const auto* first = which_.data() + current_;
    return static_cast<int>(
        std::count_if(first, first + batch_, [](std::int64_t row) { return row >= 0; }));
  }
  double label(int b) const override { return labels_[static_cast<std::size_t>(current_ + b)]; }
  void tile(Index begin, Index depth, double* X) const override {
    gather(data_->train, which_.data(), N_, begin, depth, X, one_);
  }

 private:
  std::int64_t shuffled(std::int64_t pass, std::int64_t sample) {
    if (pass != shuffled_) {
      shuffled_ = -1;  // should this be left half done
      order_.resize(static_cast<std::size_t>(data_->pass));
      fill_permutation(seed_, replica_, static_cast<std::uint64_t>(pass), order_.size(),
                       order_.data());
      shuffled_ = pass;
    }
    return order_[static_cast<std::size_t>(sample)];
  }

  std::uint64_t seed_;
  const DataSet* data_;
  std::int64_t end_;
  double one_;
  int batch_;
  int used_, N_;     // inputs of a block; the same, rounded up to packs
  int current_ = 0;  // the first input of the step
  std::uint32_t replica_ = 0;
  std::int64_t shuffled_ = -1;        // the pass whose order is in order_
  std::vector<std::uint32_t> order_;  // (pass)
  std::vector<std::int64_t> which_;   // (N)  rows of the block's inputs; -1: none
  std::vector<double> labels_;        // (N)
};

using DatasetSpace = BlocksOf<Blocks, GivenInputs>;

}  // namespace lrft
