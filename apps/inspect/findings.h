// What an inspection finds wrong: each kind once, counted, with the first few records by name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/json.h"

namespace akimbo::apps {

class Findings {
 public:
  struct Finding {
    std::string what;
    std::int64_t count = 0;
    std::vector<std::string> examples;
    bool is_problem = true;  // false: worth knowing, harmless
  };

  void problem(const std::string& what, const std::string& example) { add(what, example, true); }
  void remark(const std::string& what, const std::string& example) { add(what, example, false); }

  [[nodiscard]] const std::vector<Finding>& all() const { return findings_; }
  [[nodiscard]] std::int64_t num_problems() const;
  [[nodiscard]] Json json() const;
  // "  problem: 3 pictures are missing (a.jpg, b.jpg, c.jpg)" and so on, one line each.
  [[nodiscard]] std::string text() const;

 private:
  void add(const std::string& what, const std::string& example, bool is_problem);
  std::vector<Finding> findings_;
};

}  // namespace akimbo::apps
