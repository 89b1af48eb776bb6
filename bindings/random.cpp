// Addressed random numbers.
#include "random/fill.hpp"

#include <array>

#include "work.hpp"

namespace lrft::bindings {

void bind_random(py::module_& m) {
  py::dict purposes;
  const auto add = [&](const char* name, Purpose p) { purposes[name] = static_cast<int>(p); };
  add("inputs", Purpose::inputs);
  add("coordinates", Purpose::coordinates);
  add("chi", Purpose::chi);
  add("noise", Purpose::noise);
  add("init_u", Purpose::init_rows);
  add("init_chi", Purpose::init_chi);
  add("init_c", Purpose::init_c);
  add("shuffle", Purpose::shuffle);
  add("flips", Purpose::flips);
  add("fresh", Purpose::fresh);
  add("component", Purpose::component);
  add("features", Purpose::features);
  add("features_chi", Purpose::features_chi);
  add("c", Purpose::c);
  add("u", Purpose::u);
  add("lam", Purpose::lam);
  add("embedding", Purpose::embedding);
  add("gradient", Purpose::gradient);
  add("gradient_chi", Purpose::gradient_chi);
  add("gradient_noise", Purpose::gradient_noise);
  m.attr("purposes") = purposes;

  m.def(
      "normals",
      [](std::uint64_t seed, std::uint32_t replica, std::uint16_t purpose, std::uint64_t step,
         std::size_t size) {
        Array out(static_cast<py::ssize_t>(size));
        double* data = out.mutable_data();
        long_call(
            [&] { fill_normals(seed, replica, static_cast<Purpose>(purpose), step, size, data); });
        return out;
      },
      Door(), py::arg("seed"), py::arg("replica"), py::arg("purpose"), py::arg("step"),
      py::arg("size"), "Standard normals (size,); number i is the (i mod 2)-th of slot i // 2.");
  m.def(
      "chi",
      [](std::uint64_t seed, std::uint32_t replica, std::uint16_t purpose, std::uint64_t step,
         const Array& dof) {
        for (py::ssize_t i = 0; i < dof.size(); ++i)
          if (!(dof.data()[i] >= 1))
            throw py::value_error("dof must be at least 1 everywhere, got " +
                                  std::to_string(dof.data()[i]));
        if (dof.size() > (1 << 24)) throw py::value_error("dof must have at most 2^24 entries");
        Array out(dof.size());
        double* data = out.mutable_data();
        long_call([&] {
          fill_chi(seed, replica, static_cast<Purpose>(purpose), step,
                   static_cast<std::size_t>(dof.size()), dof.data(), data);
        });
        return out;
      },
      Door(), py::arg("seed"), py::arg("replica"), py::arg("purpose"), py::arg("step"),
      py::arg("dof").noconvert(),
      "Chi variates (n,) with dof (n,) >= 1 degrees of freedom; entry i is slot i.");
  m.def(
      "permutation",
      [](std::uint64_t seed, std::uint32_t replica, std::uint64_t pass, std::uint32_t size) {
        py::array_t<std::uint32_t> out(static_cast<py::ssize_t>(size));
        std::uint32_t* data = out.mutable_data();
        long_call([&] { fill_permutation(seed, replica, pass, size, data); });
        return out;
      },
      Door(), py::arg("seed"), py::arg("replica"), py::arg("pass_"), py::arg("size"),
      "0 .. size - 1, uint32, in the order of a pass over given samples.");
  m.def(
      "philox",
      [](const std::array<std::uint32_t, 4>& counter, std::uint64_t key) {
        std::array<std::uint32_t, 4> out{};
        philox_words(counter.data(), key, out.data());
        return out;
      },
      Door(), py::arg("counter"), py::arg("key"), "Philox4x32-7 of one counter of four words.");
}

}  // namespace lrft::bindings
