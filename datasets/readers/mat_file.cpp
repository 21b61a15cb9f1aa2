// The only file that includes matio.
#include "datasets/readers/mat_file.h"

#include <matio.h>
#include <unistd.h>

#include <algorithm>

#include "datasets/readers/mat_check.h"
#include "engine/core/error.h"
#include "engine/io/file.h"

namespace akimbo::datasets {
namespace {

namespace fs = std::filesystem;

struct CloseFile {
  void operator()(mat_t* file) const { Mat_Close(file); }
};
using FilePointer = std::unique_ptr<mat_t, CloseFile>;

struct FreeVariable {
  void operator()(matvar_t* variable) const { Mat_VarFree(variable); }
};
using VariablePointer = std::unique_ptr<matvar_t, FreeVariable>;

// The library's own messages go to the terminal and end the program; ours say it as well.
void be_quiet() {
  static const int once = Mat_LogInitFunc("akimbo", [](int, char*) {});
  static_cast<void>(once);
}

std::size_t count_of(const std::vector<std::size_t>& dims) {
  std::size_t count = 1;
  for (const std::size_t dim : dims) count *= dim;
  return count;
}

template <typename T>
void copy_values(const matvar_t& variable, std::vector<double>& values) {
  const auto* from = static_cast<const T*>(variable.data);
  std::copy_n(from, values.size(), values.begin());
}

// False when the class is no number.
bool copy_numbers(const matvar_t& variable, std::vector<double>& values) {
  switch (variable.class_type) {
    case MAT_C_DOUBLE: copy_values<double>(variable, values); return true;
    case MAT_C_SINGLE: copy_values<float>(variable, values); return true;
    case MAT_C_INT8: copy_values<std::int8_t>(variable, values); return true;
    case MAT_C_UINT8: copy_values<std::uint8_t>(variable, values); return true;
    case MAT_C_INT16: copy_values<std::int16_t>(variable, values); return true;
    case MAT_C_UINT16: copy_values<std::uint16_t>(variable, values); return true;
    case MAT_C_INT32: copy_values<std::int32_t>(variable, values); return true;
    case MAT_C_UINT32: copy_values<std::uint32_t>(variable, values); return true;
    case MAT_C_INT64: copy_values<std::int64_t>(variable, values); return true;
    case MAT_C_UINT64: copy_values<std::uint64_t>(variable, values); return true;
    default: return false;
  }
}

bool is_number(const matvar_t& variable) {
  return variable.class_type >= MAT_C_DOUBLE && variable.class_type <= MAT_C_UINT64;
}

// Letters beyond ASCII are not needed and become '?'.
std::string text_of(const matvar_t& variable) {
  std::string text;
  const std::size_t size = variable.data_size > 0 ? variable.data_size : 1;
  const auto* bytes = static_cast<const unsigned char*>(variable.data);
  for (std::size_t i = 0; bytes != nullptr && i + size <= variable.nbytes; i += size) {
    bool is_ascii = bytes[i] < 128;
    for (std::size_t k = 1; k < size; ++k) is_ascii = is_ascii && bytes[i + k] == 0;
    text += is_ascii ? static_cast<char>(bytes[i]) : '?';
  }
  return text;
}

}  // namespace

struct MatFile::Handle {
  FilePointer file;

  [[nodiscard]] VariablePointer read(const fs::path& path, const std::string& name) const {
    Mat_Rewind(file.get());
    VariablePointer variable(Mat_VarRead(file.get(), name.c_str()));
    if (variable == nullptr) {
      throw_error<FileError>("[mat] {} has no variable {}; is it the right file?", path.string(),
                             name);
    }
    return variable;
  }
};

MatFile::MatFile(const fs::path& path) : path_(path), handle_(std::make_unique<Handle>()) {
  be_quiet();
  check_mat_bytes(io::read_file(path), path.string());
  handle_->file.reset(Mat_Open(path.c_str(), MAT_ACC_RDONLY));
  if (handle_->file == nullptr) {
    throw_error<FileError>("[mat] {} cannot be opened as a MATLAB file", path.string());
  }
}

MatFile::~MatFile() = default;

MatArray MatFile::numbers(const std::string& name) const {
  const VariablePointer variable = handle_->read(path_, name);
  MatArray array;
  array.dims.assign(variable->dims, variable->dims + variable->rank);
  const std::size_t count = count_of(array.dims);
  if (!is_number(*variable) || variable->isComplex) {
    throw_error<FileError>("[mat] {}: {} is no array of real numbers", path_.string(), name);
  }
  const std::size_t bytes = count * Mat_SizeOfClass(variable->class_type);
  if (variable->nbytes != bytes || (count > 0 && variable->data == nullptr)) {
    throw_error<FileError>("[mat] {}: {} has {} bytes for {} numbers; the file is damaged",
                           path_.string(), name, variable->nbytes, count);
  }
  array.values.resize(count);
  if (count > 0) copy_numbers(*variable, array.values);
  return array;
}

std::vector<std::string> MatFile::texts(const std::string& name) const {
  const VariablePointer variable = handle_->read(path_, name);
  if (variable->class_type != MAT_C_CELL) {
    throw_error<FileError>("[mat] {}: {} is no cell array of texts", path_.string(), name);
  }
  std::vector<std::string> texts;
  const std::size_t count =
      count_of({variable->dims, variable->dims + static_cast<std::size_t>(variable->rank)});
  auto* const* cells = static_cast<matvar_t* const*>(variable->data);
  for (std::size_t i = 0; i < count; ++i) {
    const matvar_t* cell = cells == nullptr ? nullptr : cells[i];
    if (cell == nullptr || cell->class_type != MAT_C_CHAR) {
      throw_error<FileError>("[mat] {}: entry {} of {} is no text", path_.string(), i + 1, name);
    }
    texts.push_back(text_of(*cell));
  }
  return texts;
}

void write_mat(const fs::path& path, std::span<const MatVariable> variables) {
  be_quiet();
  // The library writes by name only: beside the target, then the bytes go the atomic way.
  const fs::path draft = path.string() + ".draft-" + std::to_string(::getpid());
  struct RemoveDraft {
    const fs::path& path;
    ~RemoveDraft() {
      std::error_code ignored;
      fs::remove(path, ignored);
    }
  } const remove_draft{draft};
  FilePointer file(
      Mat_CreateVer(draft.c_str(), "MATLAB 5.0 MAT-file, written by akimbo", MAT_FT_MAT5));
  if (file == nullptr) throw_error<FileError>("[mat] cannot write {}", path.string());
  for (const MatVariable& variable : variables) {
    std::vector<std::size_t> dims = variable.array.dims;
    if (dims.size() < 2 || count_of(dims) != variable.array.values.size()) {
      throw_error<ArgumentError>("[mat] {} has {} values in {} dimensions that do not fit",
                                 variable.name, variable.array.values.size(), dims.size());
    }
    // const is cast away for the library's sake; with DONT_COPY it only reads.
    const VariablePointer written(Mat_VarCreate(
        variable.name.c_str(), MAT_C_DOUBLE, MAT_T_DOUBLE, static_cast<int>(dims.size()),
        dims.data(), const_cast<double*>(variable.array.values.data()), MAT_F_DONT_COPY_DATA));
    if (written == nullptr || Mat_VarWrite(file.get(), written.get(), MAT_COMPRESSION_NONE) != 0) {
      throw_error<FileError>("[mat] cannot write {} into {}; is the disk full?", variable.name,
                             path.string());
    }
  }
  if (Mat_Close(file.release()) != 0) {
    throw_error<FileError>("[mat] cannot write {}; is the disk full?", path.string());
  }
  const std::string bytes = io::read_file(draft);
  check_mat_bytes(bytes, path.string());  // a full disk that the library did not notice
  io::write_file_atomic(path, bytes);
}

}  // namespace akimbo::datasets
