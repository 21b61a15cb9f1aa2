#include "apps/cli.h"

int main(int argc, char** argv) { return akimbo::apps::run_program(argc, argv); }
