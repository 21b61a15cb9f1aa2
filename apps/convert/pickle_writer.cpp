#include "apps/convert/pickle_writer.h"

#include <algorithm>
#include <bit>

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

}  // namespace

PickleWriter::PickleWriter() : bytes_("\x80\x02") {}

void PickleWriter::none() { opcode('N'); }

void PickleWriter::boolean(bool value) { opcode(value ? '\x88' : '\x89'); }

void PickleWriter::integer(std::int64_t value) {
  if (value >= 0 && value <= 0x7fffffff) {
    opcode('J');
    little_endian(static_cast<std::uint64_t>(value), 4);
  } else {  // LONG1
    opcode('\x8a');
    opcode('\x08');
    little_endian(static_cast<std::uint64_t>(value), 8);
  }
}

void PickleWriter::real(double value) {
  opcode('G');
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (int i = 7; i >= 0; --i) bytes_ += static_cast<char>(bits >> (8 * i) & 0xff);
}

void PickleWriter::text(std::string_view content) {
  opcode('X');
  little_endian(content.size(), 4);
  bytes_ += content;
}

void PickleWriter::begin_ordered_dict() {
  global("collections", "OrderedDict");
  opcode(')');
  opcode('R');
  opcode('(');
}

void PickleWriter::begin_dict() {
  opcode('}');
  opcode('(');
}

void PickleWriter::end_items() { opcode('u'); }

void PickleWriter::begin_list() {
  opcode(']');
  opcode('(');
}

void PickleWriter::end_list() { opcode('e'); }

void PickleWriter::begin_tuple() { opcode('('); }

void PickleWriter::end_tuple() { opcode('t'); }

// _rebuild_tensor_v2(storage, offset 0, size, strides, requires_grad False, no hooks)
void PickleWriter::tensor(const Tensor& tensor) {
  const std::vector<std::int64_t> size(tensor.shape().begin(), tensor.shape().end());
  std::vector<std::int64_t> strides(size.size(), 1);
  for (std::size_t i = size.size(); i-- > 1;) {
    strides[i - 1] = strides[i] * std::max<std::int64_t>(size[i], 1);
  }
  const auto integers = [this](const std::vector<std::int64_t>& values) {
    begin_tuple();
    for (const std::int64_t value : values) integer(value);
    end_tuple();
  };
  global("torch._utils", "_rebuild_tensor_v2");
  begin_tuple();
  begin_tuple();
  text("storage");
  global("torch", storage_name(tensor.dtype()));
  text(std::to_string(tensors_.size()));
  text("cpu");
  integer(tensor.numel());
  end_tuple();
  opcode('Q');
  integer(0);
  integers(size);
  integers(strides);
  boolean(false);
  begin_ordered_dict();
  end_items();
  end_tuple();
  opcode('R');
  tensors_.push_back(tensor.to(kCpu));
}

std::string PickleWriter::finish() {
  opcode('.');
  return std::move(bytes_);
}

void PickleWriter::global(std::string_view module, std::string_view name) {
  opcode('c');
  bytes_ += module;
  bytes_ += '\n';
  bytes_ += name;
  bytes_ += '\n';
}

void PickleWriter::little_endian(std::uint64_t value, int num_bytes) {
  for (int i = 0; i < num_bytes; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
}

}  // namespace akimbo::convert
