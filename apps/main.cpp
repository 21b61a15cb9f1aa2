#include <unistd.h>

#include <cstdlib>

#include "apps/cli.h"

namespace {

// At the end of a parallel loop libgomp's threads spin for milliseconds before they sleep. Beside
// other work on the same cores that starves the thread they wait for: training fell from 157 to 5
// images/s next to two compilers. libgomp reads its settings when it is loaded, so the program
// starts itself once more with a short spin; where that is not possible it goes on as it is.
void spin_briefly(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("GOMP_SPINCOUNT", "3000", 0);
  execv("/proc/self/exe", argv);
}

}  // namespace

int main(int argc, char** argv) {
  spin_briefly(argv);
  return akimbo::apps::run_program(argc, argv);
}
