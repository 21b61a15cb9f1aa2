// Five optimiser steps on a fixed batch against those of the published training code.
#include <gtest/gtest.h>

#include "tests/models/estimators/network_golden.h"
#include "tests/support/shared_data.h"

namespace akimbo::models {
namespace {

TEST(PoseResNetTraining, LossesOf18InFloat) {
  check_training_in_float("training_resnet.json", "resnet18", test_support::kSanitized ? 1 : 5);
}
TEST(PoseResNetTraining, LossesOf50InFloat) {
  if (!test_support::long_tests()) GTEST_SKIP() << test_support::kOnlyLong;
  check_training_in_float("training_resnet.json", "resnet50", 5);
}
TEST(PoseResNetTraining, AdamOn18InDouble) {
  if (test_support::kSanitized) GTEST_SKIP() << test_support::kTooSlow;
  check_training_in_double({"training_resnet.json", "resnet18", "adam", false});
}
TEST(PoseResNetTraining, SgdOn18InDouble) {
  if (!test_support::long_tests()) GTEST_SKIP() << test_support::kOnlyLong;
  check_training_in_double({"training_resnet.json", "resnet18", "sgd", false});
}
TEST(PoseResNetTraining, AdamOnFrozen18InDouble) {
  if (!test_support::long_tests()) GTEST_SKIP() << test_support::kOnlyLong;
  check_training_in_double({"training_resnet.json", "resnet18", "adam", true});
}
TEST(PoseResNetTraining, AdamOn50InDouble) {
  if (!test_support::long_tests()) GTEST_SKIP() << test_support::kOnlyLong;
  check_training_in_double({"training_resnet.json", "resnet50", "adam", false});
}
TEST(PoseResNetTraining, AdamOnFrozen50InDouble) {
  if (!test_support::long_tests()) GTEST_SKIP() << test_support::kOnlyLong;
  check_training_in_double({"training_resnet.json", "resnet50", "adam", true});
}

}  // namespace
}  // namespace akimbo::models
