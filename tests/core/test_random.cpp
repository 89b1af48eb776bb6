// Every way to ask for a number of the stream gives the same bits.
#include <doctest/doctest.h>

#include <vector>

#include "random/address.hpp"
#include "random/fill.hpp"

namespace {

using namespace lrft;

constexpr std::uint64_t seed = 0x123456789abcdef0u;
constexpr int count = 37;

// What an array says of the numbers at one step of one replica.
std::vector<double> array(std::uint32_t replica, Purpose purpose, std::uint64_t step) {
  std::vector<double> z(count + 1);
  fill_normals(seed, replica, purpose, step, z.size(), z.data());
  return z;
}

// A lane's own step and replica; steps around the border of their low word.
std::uint64_t step_of(int lane) { return 0xFFFFFFFCu + static_cast<std::uint64_t>(lane); }
std::uint32_t replica_of(int lane) { return static_cast<std::uint32_t>(1000 + 17 * lane); }
Bits each(auto of) {
  std::uint64_t w[lanes];
  for (int l = 0; l < lanes; ++l) w[l] = of(l);
  return load_bits(w);
}

}  // namespace

TEST_CASE("an address") {
  const Philox random(seed);
  const Address at(random, each(step_of), each(replica_of));
  for (const int stride : {lanes, 3 * lanes})
    for (int n = 1; n <= count; ++n) {
      CAPTURE(n);
      std::vector<double> z(static_cast<std::size_t>(count * stride), -1.0);
      at.normals(Purpose::noise, broadcast_bits(0), n, z.data(), stride);
      bool same = true, beyond = false;
      for (int l = 0; l < lanes; ++l) {
        const std::vector<double> own = array(replica_of(l), Purpose::noise, step_of(l));
        for (int i = 0; i < count; ++i) {
          const double value = z[static_cast<std::size_t>(i * stride + l)];
          if (i < n)
            same &= value == own[static_cast<std::size_t>(i)];
          else
            beyond |= value != -1.0;
        }
      }
      CHECK(same);
      CHECK_FALSE(beyond);
    }
}

TEST_CASE("four steps in a row") {
  const Philox random(seed);
  const FourSteps at(random, each(step_of), each(replica_of));
  constexpr int pairs = 5, stride = 2 * pairs + 1;
  Pack out[4 * stride];
  NormalPair one[4], slot[4];
  at.normals(Purpose::noise, one, Purpose::coordinates, pairs, out, stride);
  at.normals(Purpose::coordinates, 3, slot);
  for (int t = 0; t < 4; ++t)
    for (int l = 0; l < lanes; ++l) {
      CAPTURE(t);
      CAPTURE(l);
      const auto entry = [l](const Pack& p) {
        double x[lanes];
        store(x, p);
        return x[l];
      };
      const std::uint64_t step = step_of(l) + static_cast<std::uint64_t>(t);
      const std::vector<double> single = array(replica_of(l), Purpose::noise, step);
      const std::vector<double> many = array(replica_of(l), Purpose::coordinates, step);
      CHECK(entry(one[t].first) == single[0]);
      CHECK(entry(one[t].second) == single[1]);
      bool same = true;
      for (int i = 0; i < 2 * pairs; ++i)
        same &= entry(out[t * stride + i]) == many[static_cast<std::size_t>(i)];
      CHECK(same);
      CHECK(entry(slot[t].first) == many[6]);
      CHECK(entry(slot[t].second) == many[7]);
    }
}
