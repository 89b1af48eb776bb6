#include "population/mehler.hpp"

#include <cmath>

#include "simd/pack.hpp"

namespace lrft {

MehlerTable::MehlerTable(std::size_t neurons_, std::size_t terms_, int first_, int step_)
    : neurons(neurons_),
      padded((neurons_ + lanes - 1) / lanes * lanes),
      terms((terms_ + 7) / 8 * 8),
      levels(terms / 8),
      first(first_),
      step(step_),
      coefficient(terms * padded, 0.0),
      root_tail(levels * padded, 0.0),
      root_moment(padded, 0.0) {}

void MehlerTable::set(std::size_t i, const double* mu, double second_moment, double beyond) {
  double tail = beyond;
  for (std::size_t level = levels; level-- > 0;) {
    root_tail[level * padded + i] = std::sqrt(tail);
    for (std::size_t t = 8 * level + 8; t-- > 8 * level;) {
      coefficient[t * padded + i] = mu[t];
      tail += mu[t] * mu[t];
    }
  }
  root_moment[i] = std::sqrt(second_moment);
}

void MehlerTable::copy(std::size_t from, std::size_t to) {
  for (std::size_t t = 0; t < terms; ++t) {
    coefficient[t * padded + to] = coefficient[t * padded + from];
  }
  for (std::size_t level = 0; level < levels; ++level) {
    root_tail[level * padded + to] = root_tail[level * padded + from];
  }
  root_moment[to] = root_moment[from];
}

void mehler_row(const MehlerTable& table, std::size_t i, const double* rho, double tolerance,
                double* value, double* remainder) {
  const std::size_t padded = table.padded;
  std::vector<double> own(table.terms);
  for (std::size_t t = 0; t < table.terms; ++t) own[t] = table.coefficient[t * padded + i];

  for (std::size_t j = 0; j <= i; j += lanes) {
    const Pack r = load(rho + j);
    const Pack unit = table.first == 1 ? r : broadcast(1.0);
    const Pack t1 = table.step == 2 ? r * r : r;
    const Pack t2 = t1 * t1, t4 = t2 * t2, t8 = abs(t4 * t4);
    const Pack target = load(&table.root_moment[j]) * (tolerance * table.root_moment[i]);

    Pack power = abs(unit);
    Pack left = broadcast(0.0);
    std::size_t level = 0;
    for (;; ++level) {
      power *= t8;
      left = power *
             (load(&table.root_tail[level * padded + j]) * table.root_tail[level * padded + i]);
      if (level + 1 == table.levels || !any(left > target)) break;
    }
    store(remainder + j, left);

    Pack total = broadcast(0.0);
    for (std::size_t t = 8 * level + 8; t-- > 0;) {
      total = fma(total, t1, load(&table.coefficient[t * padded + j]) * own[t]);
    }
    store(value + j, total * unit);
  }
}

}  // namespace lrft
