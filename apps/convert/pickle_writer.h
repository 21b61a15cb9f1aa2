// Writes a pickle of protocol 2 with the tensors that it mentions: the tree of a PyTorch
// checkpoint.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/tensor.h"

namespace akimbo::convert {

// Values are written in the order of the calls. A dict is begin_dict(), then texts or integers each
// followed by its value, then end_items(); a list likewise.
class PickleWriter {
 public:
  PickleWriter();

  void none();
  void boolean(bool value);
  void integer(std::int64_t value);
  void real(double value);
  void text(std::string_view content);
  void begin_ordered_dict();  // collections.OrderedDict
  void begin_dict();
  void end_items();
  void begin_list();
  void end_list();
  void begin_tuple();
  void end_tuple();
  // A tensor whose elements become record data/N, N counting from 0.
  void tensor(const Tensor& tensor);

  // The pickle, ended; and the tensors, on the CPU, by N.
  [[nodiscard]] std::string finish();
  [[nodiscard]] const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  void opcode(char code) { bytes_ += code; }
  void global(std::string_view module, std::string_view name);
  void little_endian(std::uint64_t value, int num_bytes);

  std::string bytes_;
  std::vector<Tensor> tensors_;
};

}  // namespace akimbo::convert
