#include <gtest/gtest.h>

#include <string>
#include <vector>
