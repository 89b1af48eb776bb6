// What the records state, handed over as plain data, and what they ask of a spec.
#include "activation/list.hpp"
#include "population/routes.hpp"

namespace lrft {
namespace {

template <class A>
ActivationFacts facts_of() {
  using Exact = typename A::Exact;
  ActivationFacts facts = A::facts;
  facts.route = Exact::name;
  facts.most_coefficients = Exact::most;
  facts.linearized = requires(const ActivationSpec& spec) { Exact::tangents(spec); };
  return facts;
}

template <class... A>
std::vector<ActivationFacts> facts_of_all(List<A...>) {
  return {facts_of<A>()...};
}

}  // namespace

std::vector<ActivationFacts> activation_facts() { return facts_of_all(Activations{}); }

void check(const ActivationSpec& spec) {
  with_record(spec.kind, [&](auto record) {
    using A = decltype(record);
    if constexpr (requires { A::check(spec); }) A::check(spec);
  });
}

}  // namespace lrft
