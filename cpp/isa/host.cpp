// Prints the best named level of the building machine: LRFT_ISAS=host (cmake/Isa.cmake).
#include <cstdio>

#include "levels.hpp"

int main() { std::fputs(lrft::best_level(), stdout); }
