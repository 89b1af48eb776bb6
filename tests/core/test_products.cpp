// The products of blocks of inputs, for every tile of registers and what is left of one.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "numbers.hpp"
#include "space/product.hpp"

namespace {

using lrft::testing::Matrix;
using lrft::testing::normals;

// Entry (i, j) of a x and what rounding can do to it: a sum of `depth` products, in any order.
struct Sum {
  double value = 0, bound = 0;
};
Sum entry(const Matrix& a, const Matrix& x, int i, int j) {
  long double value = 0, size = 0;
  for (int t = 0; t < x.rows; ++t) {
    const long double term = static_cast<long double>(a(i, t)) * x(t, j);
    value += term;
    size += std::abs(term);
  }
  return {static_cast<double>(value), 0x1p-52 * (2 + x.rows) * static_cast<double>(size)};
}
bool near(const Matrix& y, const Matrix& a, const Matrix& x) {
  for (int i = 0; i < y.rows; ++i)
    for (int j = 0; j < y.columns; ++j) {
      const Sum sum = entry(a, x, i, j);
      if (!(std::abs(y(i, j) - sum.value) <= sum.bound)) return false;
    }
  return true;
}
Matrix transposed(const Matrix& x) {
  Matrix t(x.columns, x.rows);
  for (int i = 0; i < x.rows; ++i)
    for (int j = 0; j < x.columns; ++j) t(j, i) = x(i, j);
  return t;
}
Matrix product(const Matrix& a, const Matrix& x) {
  Matrix y(a.rows, x.columns);
  lrft::product({a.data(), a.columns, 1}, a.rows, {x.data(), x.columns}, x.rows, x.columns,
                y.data(), y.columns);
  return y;
}

}  // namespace

TEST_CASE("a product of any number of rows and columns") {
  for (const int columns : {1, 7, 8, 15, 16, 24, 29, 40, 48})
    for (int rows = 1; rows <= 70; ++rows) {
      CAPTURE(columns);
      CAPTURE(rows);
      const int depth = 1 + (37 * rows + 11 * columns) % 139;
      const Matrix a = normals(rows, depth, 1), x = normals(depth, columns, 2);
      CHECK(near(product(a, x), a, x));
    }
}

TEST_CASE("a product of any depth") {
  for (int depth = 1; depth < 200; ++depth)
    for (const int rows : {1, 2, 3, 13}) {
      CAPTURE(depth);
      CAPTURE(rows);
      const Matrix a = normals(rows, depth, 3), x = normals(depth, 27, 4);
      CHECK(near(product(a, x), a, x));
    }
}

TEST_CASE("a Gram matrix: blocks of 8 x 8 on and below the diagonal, nothing above") {
  for (const int columns : {8, 16, 24, 32, 64})
    for (const int depth : {1, 2, 63, 64, 131}) {
      CAPTURE(columns);
      CAPTURE(depth);
      const Matrix x = normals(depth, columns, 5), turned = transposed(x);
      Matrix y(columns, columns);
      lrft::gram({x.data(), columns}, depth, columns, y.data());
      bool above = false, wrong = false;
      for (int i = 0; i < columns; ++i)
        for (int j = 0; j < columns; ++j) {
          const Sum sum = entry(turned, x, i, j);
          if (i / 8 < j / 8)
            above |= y(i, j) != 0;
          else
            wrong |= !(std::abs(y(i, j) - sum.value) <= sum.bound);
        }
      CHECK_FALSE(above);
      CHECK_FALSE(wrong);
    }
}

TEST_CASE("a product with a transpose") {
  for (const int rows : {1, 2, 3, 8, 20})
    for (const int depth : {8, 64, 136})
      for (const int columns : {8, 16, 40}) {
        CAPTURE(rows);
        CAPTURE(depth);
        CAPTURE(columns);
        const Matrix a = normals(rows, columns, 6), x = normals(depth, columns, 7);
        Matrix y(rows, depth);
        std::vector<double> turned(static_cast<std::size_t>(depth * columns));
        lrft::product_transposed(a.data(), rows, {x.data(), columns}, depth, columns, y.data(),
                                 depth, turned.data());
        CHECK(near(y, a, transposed(x)));
      }
}

// A block's padding, and how many inputs stand beside one, leave no trace in its fields.
TEST_CASE("an entry does not depend on the columns beside it") {
  const Matrix a = normals(18, 100, 8), x = normals(100, 48, 9), together = product(a, x);
  constexpr int parts[][2] = {{0, 8}, {8, 32}, {5, 21}, {40, 48}};
  for (const auto& [begin, end] : parts) {
    CAPTURE(begin);
    Matrix part(x.rows, end - begin);
    for (int i = 0; i < x.rows; ++i)
      for (int j = begin; j < end; ++j) part(i, j - begin) = x(i, j);
    const Matrix alone = product(a, part);
    bool same = true;
    for (int i = 0; i < a.rows; ++i)
      for (int j = begin; j < end; ++j) same &= alone(i, j - begin) == together(i, j);
    CHECK(same);
  }
}
