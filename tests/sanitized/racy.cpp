// An activation with a race planted in it: a counter that every thread of a run increments.
namespace {
long calls = 0;
}

extern "C" double racy(double z) {
  ++calls;
  return z > 0 ? z : 0;
}

extern "C" double racy_derivative(double z) {
  ++calls;
  return z > 0 ? 1 : 0;
}
