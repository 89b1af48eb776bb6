// The kernels of space/product.hpp, and how tiles are laid.
#include "space/product.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace lrft {
namespace {

using Size = std::ptrdiff_t;
using products::tile_rows;

constexpr int chains(int rows, int vectors) {
  return rows * vectors >= 6 ? 1 : rows * vectors >= 3 ? 2 : 4;
}

LRFT_INLINE NativeDouble load_native(const double* p) {
  return *reinterpret_cast<const UnalignedDouble*>(p);
}
LRFT_INLINE void add_native(double* p, NativeDouble a) {
  *reinterpret_cast<UnalignedDouble*>(p) = load_native(p) + a;
}

// y (rows, vectors) += a (rows, depth) x (depth, vectors); a vector is a native one.
template <int rows, int vectors>
LRFT_INLINE void tile(const Factor& a, const Panel& x, Size depth, double* y, Size y_width) {
  constexpr int sums = chains(rows, vectors);
  NativeDouble s[sums][rows][vectors];
  const auto each = [](const auto& f) __attribute__((always_inline)) {
#pragma GCC unroll 12
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) f(i, v);
  };
#pragma GCC unroll 4
  for (int l = 0; l < sums; ++l)
    each([&](int i, int v) __attribute__((always_inline)) { s[l][i][v] = NativeDouble{}; });
  const auto add = [&](Size c, int l) __attribute__((always_inline)) {
    NativeDouble loaded[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v)
      loaded[v] = load_native(x.data + c * x.width + v * native_width);
#pragma GCC unroll 12
    for (int i = 0; i < rows; ++i) {
      const NativeDouble factor = a.data[i * a.row + c * a.term] - NativeDouble{};
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) s[l][i][v] = native_fma(factor, loaded[v], s[l][i][v]);
    }
  };
  Size c = 0;
  for (; c + sums <= depth; c += sums)
#pragma GCC unroll 4
    for (int l = 0; l < sums; ++l) add(c + l, l);
  for (; c < depth; ++c) add(c, 0);
#pragma GCC unroll 4
  for (int l = 1; l < sums; ++l)
    each([&](int i, int v) __attribute__((always_inline)) { s[0][i][v] += s[l][i][v]; });
  each([&](int i, int v) __attribute__((always_inline)) {
    add_native(y + i * y_width + v * native_width, s[0][i][v]);
  });
}

// The same for `count` such tiles beside each other; a call for each would cost as much as twenty
// terms.
template <int rows, int vectors>
void kernel(Factor a, Panel x, Size depth, Size count, double* y, Size y_width) {
  for (; count > 0; --count) {
    tile<rows, vectors>(a, x, depth, y, y_width);
    x.data += vectors * native_width;
    y += vectors * native_width;
  }
}

// r <- its transpose.
LRFT_INLINE void transpose_square(NativeDouble (&r)[native_width]) {
#if defined(__AVX512F__)
  __m512d pairs[8], fours[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    pairs[2 * i] = _mm512_unpacklo_pd((__m512d)r[2 * i], (__m512d)r[2 * i + 1]);
    pairs[2 * i + 1] = _mm512_unpackhi_pd((__m512d)r[2 * i], (__m512d)r[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {  // entries 0 and 4, or 2 and 6, of four rows
    fours[i] = _mm512_shuffle_f64x2(pairs[i], pairs[i + 2], 0x88);
    fours[i + 2] = _mm512_shuffle_f64x2(pairs[i], pairs[i + 2], 0xdd);
    fours[i + 4] = _mm512_shuffle_f64x2(pairs[i + 4], pairs[i + 6], 0x88);
    fours[i + 6] = _mm512_shuffle_f64x2(pairs[i + 4], pairs[i + 6], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = (NativeDouble)_mm512_shuffle_f64x2(fours[i], fours[i + 4], 0x88);
    r[i + 4] = (NativeDouble)_mm512_shuffle_f64x2(fours[i], fours[i + 4], 0xdd);
  }
#elif defined(__AVX2__)
  __m256d pairs[4];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    pairs[2 * i] = _mm256_unpacklo_pd((__m256d)r[2 * i], (__m256d)r[2 * i + 1]);
    pairs[2 * i + 1] = _mm256_unpackhi_pd((__m256d)r[2 * i], (__m256d)r[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    r[i] = (NativeDouble)_mm256_permute2f128_pd(pairs[i], pairs[i + 2], 0x20);
    r[i + 2] = (NativeDouble)_mm256_permute2f128_pd(pairs[i], pairs[i + 2], 0x31);
  }
#else
  const NativeDouble first = {r[0][0], r[1][0]};
  r[1] = NativeDouble{r[0][1], r[1][1]};
  r[0] = first;
#endif
}

using Kernel = void (*)(Factor, Panel, Size, Size, double*, Size);
// Of 1 .. tile_rows rows.
template <int vectors>
constexpr auto kernels = []<int... i>(std::integer_sequence<int, i...>) {
  return std::array<Kernel, sizeof...(i)>{kernel<i + 1, vectors>...};
}(std::make_integer_sequence<int, tile_rows>{});

// Rows of the next tile where `left` are left: tiles are as equal as can be.
int rows_of_tile(int left) {
  if (left <= tile_rows) return left;  // most are, and are spared a division
  const int tiles = (left + tile_rows - 1) / tile_rows;
  return (left + tiles - 1) / tiles;
}

// The last columns, fewer than a vector: by way of a panel of full width.
void product_of_rest(Factor a, int rows, Panel x, Size depth, int columns, double* y,
                     Size y_width) {
  constexpr Size most = 64;
  double panel[most * native_width] = {}, sum[tile_rows * native_width];
  for (Size begin = 0; begin < depth; begin += most) {
    const Size terms = std::min(most, depth - begin);
    for (Size c = 0; c < terms; ++c)
      std::copy_n(x.data + (begin + c) * x.width, columns, panel + c * native_width);
    for (int first = 0, n = 0; first < rows; first += n) {
      n = rows_of_tile(rows - first);
      std::fill_n(sum, n * native_width, 0.0);
      const Factor tile = {a.data + first * a.row + begin * a.term, a.row, a.term};
      kernels<1>[static_cast<std::size_t>(n - 1)](tile, {panel, native_width}, terms, 1, sum,
                                                  native_width);
      for (int i = 0; i < n; ++i)
        for (int q = 0; q < columns; ++q) y[(first + i) * y_width + q] += sum[i * native_width + q];
    }
  }
}

}  // namespace

void product(Factor a, int rows, Panel x, std::ptrdiff_t depth, std::ptrdiff_t columns, double* y,
             std::ptrdiff_t y_width) {
  const Size pairs = columns / (2 * native_width);
  for (int first = 0, n = 0; first < rows; first += n) {
    n = rows_of_tile(rows - first);
    const auto which = static_cast<std::size_t>(n - 1);
    const Factor tile = {a.data + first * a.row, a.row, a.term};
    double* to = y + first * y_width;
    kernels<2>[which](tile, x, depth, pairs, to, y_width);
    if (const Size q = pairs * 2 * native_width; q + native_width <= columns)
      kernels<1>[which](tile, {x.data + q, x.width}, depth, 1, to + q, y_width);
  }
  if (const int rest = static_cast<int>(columns % native_width); rest > 0) {
    const Size q = columns - rest;
    product_of_rest(a, rows, {x.data + q, x.width}, depth, rest, y + q, y_width);
  }
}

void gram(Panel x, std::ptrdiff_t depth, int columns, double* y) {
  for (int first = 0; first < columns; first += lanes)
    product({x.data + first, 1, x.width}, lanes, x, depth, first + lanes, y + first * columns,
            columns);
}

void transpose(Panel x, std::ptrdiff_t depth, int columns, double* to, std::ptrdiff_t to_width) {
  for (Size c = 0; c < depth; c += native_width)
    for (int q = 0; q < columns; q += native_width) {
      const double* from = x.data + c * x.width + q;
      double* at = to + q * to_width + c;
      NativeDouble r[native_width];
#pragma GCC unroll 8
      for (int i = 0; i < native_width; ++i) r[i] = load_native(from + i * x.width);
      transpose_square(r);
#pragma GCC unroll 8
      for (int i = 0; i < native_width; ++i)
        *reinterpret_cast<UnalignedDouble*>(at + i * to_width) = r[i];
    }
}

void product_transposed(const double* a, int rows, Panel x, std::ptrdiff_t depth, int columns,
                        double* y, std::ptrdiff_t y_width, double* turned) {
  if (rows > 2) {
    transpose(x, depth, columns, turned, depth);
    return product({a, columns, 1}, rows, {turned, depth}, columns, depth, y, y_width);
  }
  for (int j = 0; j < rows; ++j)
    for (Size c = 0; c < depth; c += native_width) {
      NativeDouble r[native_width];
#pragma GCC unroll 8
      for (int i = 0; i < native_width; ++i) r[i] = NativeDouble{};
      for (int q = 0; q < columns; q += native_width) {
        const NativeDouble factor = load_native(a + j * columns + q);
#pragma GCC unroll 8
        for (int i = 0; i < native_width; ++i)
          r[i] = native_fma(factor, load_native(x.data + (c + i) * x.width + q), r[i]);
      }
      transpose_square(r);
#pragma GCC unroll 4
      for (int half = native_width / 2; half > 0; half /= 2)
#pragma GCC unroll 4
        for (int i = 0; i < half; ++i) r[i] += r[i + half];
      add_native(y + j * y_width + c, r[0]);
    }
}

}  // namespace lrft
