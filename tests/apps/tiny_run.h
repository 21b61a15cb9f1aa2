// A data set of a few pictures and a network of a few channels: a whole training in a fraction of a
// second.
#pragma once

#include <string>
#include <vector>

#include "tests/support/program.h"

namespace akimbo::testing_support {

class TinyRun {
 public:
  // Makes pictures and a config in a folder of its own.
  TinyRun();

  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }
  [[nodiscard]] std::string data() const { return file("data"); }
  [[nodiscard]] std::string config() const { return file("tiny.json"); }
  [[nodiscard]] std::string annotations() const {
    return file("data/annotations/person_keypoints_val.json");
  }
  // akimbo train CONFIG --data DATA --out OUT MORE...
  [[nodiscard]] ProgramResult train(const std::string& out,
                                    const std::vector<std::string>& more = {}) const;
  // The arguments of that.
  [[nodiscard]] std::vector<std::string> train_arguments(
      const std::string& out, const std::vector<std::string>& more = {}) const;

 private:
  ScratchFolder folder_;
};

}  // namespace akimbo::testing_support
