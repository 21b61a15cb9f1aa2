#include <gtest/gtest.h>

#include <string_view>

#include "apps/cli.h"

// With --akimbo first, the binary is the program itself: tests that need a process of its own start
// themselves so (support/program.h).
int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "--akimbo") {
    return akimbo::apps::run_program(argc - 1, argv + 1);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
