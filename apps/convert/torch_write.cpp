#include "apps/convert/torch_write.h"

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "apps/convert/stored_zip.h"
#include "engine/core/error.h"

namespace akimbo::convert {
namespace {

std::string_view storage_name(DType dtype) {
  switch (dtype) {
    case DType::f64: return "DoubleStorage";
    case DType::f32: return "FloatStorage";
    case DType::bf16: return "BFloat16Storage";
    case DType::f16: return "HalfStorage";
    case DType::i32: return "IntStorage";
    case DType::i64: return "LongStorage";
    case DType::u8: return "ByteStorage";
  }
  return "";
}

// A pickle of protocol 2, grown opcode by opcode.
class PickleWriter {
 public:
  PickleWriter() { bytes_ = "\x80\x02"; }
  void opcode(char code) { bytes_ += code; }
  void global(std::string_view module, std::string_view name) {
    bytes_ += 'c';
    bytes_ += module;
    bytes_ += '\n';
    bytes_ += name;
    bytes_ += '\n';
  }
  void text(std::string_view content) {
    bytes_ += 'X';
    little_endian(content.size(), 4);
    bytes_ += content;
  }
  void integer(std::int64_t value) {
    if (value >= 0 && value <= 0x7fffffff) {
      bytes_ += 'J';
      little_endian(static_cast<std::uint64_t>(value), 4);
    } else {  // LONG1
      bytes_ += '\x8a';
      bytes_ += '\x08';
      little_endian(static_cast<std::uint64_t>(value), 8);
    }
  }
  void integers(const std::vector<std::int64_t>& values) {
    opcode('(');
    for (const std::int64_t value : values) integer(value);
    opcode('t');
  }
  // OrderedDict()
  void empty_dict() {
    global("collections", "OrderedDict");
    opcode(')');
    opcode('R');
  }
  [[nodiscard]] std::string finish() {
    opcode('.');
    return std::move(bytes_);
  }

 private:
  void little_endian(std::uint64_t value, int num_bytes) {
    for (int i = 0; i < num_bytes; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
  }
  std::string bytes_;
};

// _rebuild_tensor_v2(storage, offset 0, size, strides, requires_grad False, no hooks)
void write_tensor(PickleWriter& pickle, const Tensor& tensor, const std::string& key) {
  const std::vector<std::int64_t> size(tensor.shape().begin(), tensor.shape().end());
  std::vector<std::int64_t> strides(size.size(), 1);
  for (std::size_t i = size.size(); i-- > 1;) {
    strides[i - 1] = strides[i] * std::max<std::int64_t>(size[i], 1);
  }
  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.opcode('(');
  pickle.opcode('(');
  pickle.text("storage");
  pickle.global("torch", storage_name(tensor.dtype()));
  pickle.text(key);
  pickle.text("cpu");
  pickle.integer(tensor.numel());
  pickle.opcode('t');
  pickle.opcode('Q');
  pickle.integer(0);
  pickle.integers(size);
  pickle.integers(strides);
  pickle.opcode('\x89');
  pickle.empty_dict();
  pickle.opcode('t');
  pickle.opcode('R');
}

}  // namespace

void write_torch_file(const std::filesystem::path& path, const io::NamedTensors& tensors) {
  PickleWriter pickle;
  std::unordered_set<std::string_view> names;
  std::vector<Tensor> held;
  held.reserve(tensors.size());
  pickle.empty_dict();
  pickle.opcode('(');
  for (const auto& [name, tensor] : tensors) {
    if (!names.insert(name).second) {
      throw_error<ArgumentError>("[torch] the name '{}' is given twice; give each tensor its own",
                                 name);
    }
    pickle.text(name);
    write_tensor(pickle, tensor, std::to_string(held.size()));
    held.push_back(tensor.to(kCpu));
  }
  pickle.opcode('u');
  const std::string tree = pickle.finish();
  const std::string root = "archive/";
  std::vector<ZipMember> members = {{root + "data.pkl", tree.data(), tree.size()},
                                    {root + "byteorder", "little", 6}};
  for (std::size_t i = 0; i < held.size(); ++i) {
    const Tensor& tensor = held[i];
    members.push_back({root + "data/" + std::to_string(i), tensor.raw(), tensor.num_bytes()});
  }
  members.push_back({root + "version", "3\n", 2});
  write_stored_zip(path, members);
}

}  // namespace akimbo::convert
