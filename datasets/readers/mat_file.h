// MATLAB's level-5 files (.mat), as far as data sets need them: arrays of numbers and cells of
// texts in, arrays of numbers out. The only wrapper of matio.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace akimbo::datasets {

// Numbers in MATLAB's order: the first index runs fastest.
struct MatArray {
  std::vector<std::size_t> dims;  // two or more
  std::vector<double> values;
};

class MatFile {
 public:
  // Throws FileError when the file is missing, of another version (4 or 7.3), cut off or damaged in
  // any way that its structure shows (mat_check.h).
  explicit MatFile(const std::filesystem::path& path);
  ~MatFile();
  MatFile(const MatFile&) = delete;
  MatFile& operator=(const MatFile&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // A variable of any real numeric or logical class, as double. Throws FileError when there is none
  // or it is of another class.
  [[nodiscard]] MatArray numbers(const std::string& name) const;
  // A cell array of texts, in its order.
  [[nodiscard]] std::vector<std::string> texts(const std::string& name) const;

 private:
  struct Handle;
  std::filesystem::path path_;
  std::unique_ptr<Handle> handle_;
};

struct MatVariable {
  std::string name;
  MatArray array;  // stored as doubles
};

// A level-5 file of these variables, atomically. Throws FileError; ArgumentError when the sizes of
// an array contradict each other.
void write_mat(const std::filesystem::path& path, std::span<const MatVariable> variables);

}  // namespace akimbo::datasets
