// EXPECT_THROWS_WITH: the statement throws `type`, and the message holds `part`.
#pragma once

#include <gtest/gtest.h>

#include <string>

#define EXPECT_THROWS_WITH(statement, type, part)                                     \
  try {                                                                               \
    statement;                                                                        \
    ADD_FAILURE() << "nothing was thrown; wanted " #type " with \"" << (part) << '"'; \
  } catch (const type& e) {                                                           \
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();       \
  }
