// The core's plain types as classes, through their lists of fields.
//
// An object never changes: it is made of named fields, those left out as the core has them, and
// `replace` makes another.  So an array that is read from one is a view of it and keeps it alive.
// Large arrays that are given (`Given`) stay the caller's: they are kept alive, and must not be
// written to while an object has them, or steps of one run would read different numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "bind.hpp"
#include "lrft/check.hpp"
#include "lrft/statistic.hpp"

namespace lrft::bindings {

// ---- from Python ------------------------------------------------------------------------------

// Releases what `Given` keeps, from whatever thread.
template <class T>
Given<T> keep(const py::array& array) {
  auto* held = new py::object(array);
  const auto release = [held](const T*) {
    const py::gil_scoped_acquire acquire;
    delete held;
  };
  return {std::shared_ptr<const T>(static_cast<const T*>(array.data()), release), array.size()};
}

template <class T>
void read(T& to, const py::handle& from) {
  if constexpr (requires { Names<T>::all; }) {
    const auto name = from.cast<std::string>();
    const auto found = std::find(Names<T>::all.begin(), Names<T>::all.end(), name);
    if (found == Names<T>::all.end()) throw py::value_error("unknown value");
    to = static_cast<T>(found - Names<T>::all.begin());
  } else {
    to = from.cast<T>();
  }
}
template <class T>
  requires std::is_arithmetic_v<T>
void read(std::vector<T>& to, const py::handle& from) {
  const auto array = from.cast<py::array_t<T, py::array::c_style>>();  // cast where that is safe
  to.assign(array.data(), array.data() + array.size());
}
inline void read(Given<double>& to, const py::handle& from) {
  to = from.is_none() ? Given<double>() : keep<double>(from.cast<Array>());
}
inline void read(Samples& to, const py::handle& from) {
  if (!from.is_none()) to = from.cast<Samples>();
}
inline void read(Records& to, const py::handle& from) {
  const auto& names = statistic_names();
  to.values.assign(names.size(), {});
  for (const auto& [name, values] : from.cast<py::dict>()) {
    const auto text = name.cast<std::string>();
    const auto found = std::find(names.begin(), names.end(), text);
    if (found == names.end()) throw py::value_error("unknown statistic " + text);
    read(to[static_cast<std::size_t>(found - names.begin())], values);
  }
}

inline std::string type_name(const py::handle& value) {
  return py::type::handle_of(value).attr("__name__").cast<std::string>();
}

// What a run says once and its parts repeat.
template <class T>
void settle(T&) {}
inline void settle(RunSpec& run) {
  if (!run.students.empty()) run.student = run.students.front();
}

// ---- to Python --------------------------------------------------------------------------------

template <class T>
py::array_t<T> view(const T* data, const Dims& shape, const py::object& owner) {
  py::array_t<T> out(shape, data, owner);
  out.attr("setflags")(py::arg("write") = false);
  return out;
}

// A view where it is an array, of this shape or flat.
template <class M>
auto write(const py::object& owner, const M& value, const std::optional<Dims>& shape) {
  if constexpr (requires { Names<M>::all; }) {
    return py::str(Names<M>::all[static_cast<std::size_t>(value)]);
  } else if constexpr (std::is_same_v<M, Records>) {
    py::dict out;
    for (std::size_t i = 0; i < value.values.size(); ++i)
      out[statistic_names()[i]] =
          view(value[i].data(), {static_cast<std::int64_t>(value[i].size())}, owner);
    return out;
  } else if constexpr (requires {
                         value[0] * 1.0;
                         value.size();
                       }) {
    const Dims dims = shape.value_or(Dims{static_cast<std::int64_t>(value.size())});
    if constexpr (std::is_same_v<M, Given<double>>)
      return value == nullptr ? py::object(py::none())
                              : py::object(view<double>(value, dims, owner));
    else
      return view(value.data(), dims, owner);
  } else {
    return value;
  }
}

// ---- fields whatever their types -------------------------------------------------------------

// Compiled once a type of member, not once a field.
struct AnyField {
  const char* name;
  std::ptrdiff_t at;  // bytes into its object
  void (*read)(void* member, const py::handle& from);
  py::object (*write)(const py::object& owner, const void* member,
                      const std::optional<Dims>& shape);
  std::function<std::optional<Dims>(const void* object)> shape;
};
template <class M>
void read_any(void* member, const py::handle& from) {
  read(*static_cast<M*>(member), from);
}
template <class M>
py::object write_any(const py::object& owner, const void* member,
                     const std::optional<Dims>& shape) {
  auto out = write(owner, *static_cast<const M*>(member), shape);
  if constexpr (std::is_base_of_v<py::object, decltype(out)>)
    return out;
  else
    return py::cast(std::move(out));
}
template <class T>
std::optional<Dims> shape_in(Dims (*shape)(const T&), const void* object) {
  if (shape == nullptr) return {};
  return shape(*static_cast<const T*>(object));
}
template <class T>
const std::vector<AnyField>& any_fields() {
  static const std::vector<AnyField> all = [] {
    std::vector<AnyField> found;
    const T object{};
    each_field<T>([&]<class M>(const Field<T, M>& one) {
      const auto at =
          reinterpret_cast<const char*>(&(object.*one.at)) - reinterpret_cast<const char*>(&object);
      found.push_back({one.name, at, &read_any<M>, &write_any<M>,
                       [shape = one.shape](const void* of) { return shape_in<T>(shape, of); }});
    });
    return found;
  }();
  return all;
}

// Sets one field by name; what is wrong with its value names it.
inline void set_field(const std::vector<AnyField>& fields, void* object, const std::string& name,
                      const py::handle& value) {
  const auto one =
      std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return name == f.name; });
  if (one == fields.end()) throw py::type_error("no field is called " + name);
  try {
    one->read(static_cast<char*>(object) + one->at, value);
  } catch (const py::cast_error&) {
    throw py::type_error(name + " is " + type_name(value) + ", which it cannot be");
  } catch (const py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError) && !error.matches(PyExc_ValueError)) throw;
    throw py::type_error(name + " is no array of its type");
  } catch (const py::value_error& error) {
    throw py::value_error(name + ": " + error.what());
  }
}
inline py::object get_field(const AnyField& one, const py::object& owner, const void* object) {
  return one.write(owner, static_cast<const char*>(object) + one.at, one.shape(object));
}

template <class T>
T replaced(T object, const py::kwargs& changes) {
  for (const auto& [name, value] : changes)
    set_field(any_fields<T>(), &object, py::cast<std::string>(name), value);
  settle(object);
  check(object);
  return object;
}

template <class T>
py::dict fields_of(const py::object& self) {
  py::dict out;
  for (const AnyField& one : any_fields<T>())
    out[one.name] = get_field(one, self, &self.cast<const T&>());
  return out;
}

// One field by name.
template <class T>
py::object field_of(const py::object& self, const std::string& name) {
  for (const AnyField& one : any_fields<T>())
    if (name == one.name) return get_field(one, self, &self.cast<const T&>());
  throw py::attribute_error(type_name(self) + " has no field " + name);
}

// ---- classes -----------------------------------------------------------------------------------

// Names are the module's own: another instruction set is another module with such classes.
template <class T>
py::class_<T> bind_plain(py::module_& m, const char* name, const char* doc) {
  py::class_<T> bound(m, name, py::module_local(), doc);
  bound
      .def(py::init([](const py::kwargs& fields) { return replaced(T(), fields); }),
           "Fields by name; those that are left out are as the core has them.")
      .def(
          "replace",
          [](const T& self, const py::kwargs& changes) { return replaced(self, changes); },
          "The same with other values for the fields that are named.")
      .def("fields", &fields_of<T>, "All fields by name.")
      .def("__reduce__", [](const py::object& self) {
        // By name, so that any module can make it again.
        const py::object rebuilt = py::module_::import("lrft.core.isa").attr("rebuilt");
        return py::make_tuple(rebuilt, py::make_tuple(type_name(self), fields_of<T>(self)));
      });
  return bound;
}

// What a run is given: read by name, so that its fields are listed nowhere else, stubs included.
template <class T>
void bind_given(py::module_& m, const char* name, const char* doc) {
  bind_plain<T>(m, name, doc).def("__getattr__", &field_of<T>, py::arg("name"));
}

// What it gives back: a property a field, whose type a stub can tell.
template <class T>
void bind_fields(py::module_& m, const char* name, const char* doc) {
  py::class_<T> bound = bind_plain<T>(m, name, doc);
  each_field<T>([&](const auto& one) {
    bound.def_property_readonly(one.name, [one](const py::object& self) {
      const T& object = self.cast<const T&>();
      return write(self, object.*one.at, shape_in<T>(one.shape, &object));
    });
  });
}

}  // namespace lrft::bindings
