#include "apps/train/event_file.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <cstring>

#include "engine/core/error.h"

namespace akimbo::apps {

namespace {

// ---- protocol buffers, the four encodings that an Event needs ----

void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void put_little_endian(std::string& out, std::uint64_t bits, int num_bytes) {
  for (int i = 0; i < num_bytes; ++i) out.push_back(static_cast<char>(bits >> (8 * i)));
}

void put_int(std::string& out, int field, std::int64_t value) {
  put_varint(out, static_cast<std::uint64_t>(field) << 3 | 0);
  put_varint(out, static_cast<std::uint64_t>(value));
}

void put_double(std::string& out, int field, double value) {
  put_varint(out, static_cast<std::uint64_t>(field) << 3 | 1);
  put_little_endian(out, std::bit_cast<std::uint64_t>(value), 8);
}

void put_float(std::string& out, int field, float value) {
  put_varint(out, static_cast<std::uint64_t>(field) << 3 | 5);
  put_little_endian(out, std::bit_cast<std::uint32_t>(value), 4);
}

void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_varint(out, static_cast<std::uint64_t>(field) << 3 | 2);
  put_varint(out, bytes.size());
  out.append(bytes);
}

// ---- field numbers of event.proto, summary.proto, tensor.proto ----

std::string scalar_value(const std::string& tag, double value) {
  std::string out;
  put_bytes(out, 1, tag);
  put_float(out, 2, static_cast<float>(value));
  return out;
}

std::string text_value(const std::string& tag, std::string_view text) {
  std::string dimension, shape, tensor, plugin, metadata, out;
  put_int(dimension, 1, 1);
  put_bytes(shape, 2, dimension);
  put_int(tensor, 1, 7);  // DT_STRING
  put_bytes(tensor, 2, shape);
  put_bytes(tensor, 8, text);
  put_bytes(plugin, 1, "text");
  put_bytes(metadata, 1, plugin);
  put_bytes(out, 1, tag);
  put_bytes(out, 8, tensor);
  put_bytes(out, 9, metadata);
  return out;
}

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78u : 0u);
    table[byte] = crc;
  }
  return table;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = make_crc_table();
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const char byte : bytes) {
    crc = kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF] ^ (crc >> 8);
  }
  return ~crc;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xA282EAD8u;
}

EventFile::EventFile(const std::filesystem::path& folder) {
  path_ = folder / fmt::format("events.out.tfevents.{}.{}.akimbo",
                               static_cast<std::int64_t>(wall_time()), ::getpid());
  file_.open(path_, std::ios::binary | std::ios::app);
  if (!file_) {
    throw_error<Error>("[train] cannot write {}: {}", path_.string(), std::strerror(errno));
  }
  std::string event;
  put_double(event, 1, wall_time());
  put_bytes(event, 3, "brain.Event:2");  // the version record that readers look for first
  write_record(event);
}

void EventFile::write_scalars(std::int64_t step, const std::vector<Scalar>& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars) put_bytes(summary, 1, scalar_value(tag, value));
  write_event(step, summary);
}

void EventFile::write_text(const std::string& tag, std::string_view text) {
  std::string summary;
  put_bytes(summary, 1, text_value(tag, text));
  write_event(0, summary);
}

void EventFile::write_event(std::int64_t step, const std::string& summary) {
  std::string event;
  put_double(event, 1, wall_time());
  put_int(event, 2, step);
  put_bytes(event, 5, summary);
  write_record(event);
}

void EventFile::write_record(const std::string& message) {
  std::string length, record;
  put_little_endian(length, message.size(), 8);
  record = length;
  put_little_endian(record, masked_crc32c(length), 4);
  record += message;
  put_little_endian(record, masked_crc32c(message), 4);
  file_.write(record.data(), static_cast<std::streamsize>(record.size()));
  file_.flush();  // a reader beside the running training sees every step
  if (!file_) {
    throw_error<Error>("[train] cannot write {}: {}; free some space and continue with --resume",
                       path_.string(), std::strerror(errno));
  }
}

}  // namespace akimbo::apps
