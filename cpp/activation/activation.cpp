#include "activation/activation.hpp"

#include "activation/list.hpp"

namespace lrft {

Activation make_activation(const ActivationSpec& spec) {
  check(spec);
  return with_record(spec.kind, [&](auto record) -> Activation {
    using A = decltype(record);
    if constexpr (requires { A::make(spec); })
      return A::make(spec);
    else
      return activation_of<A>();
  });
}

}  // namespace lrft
