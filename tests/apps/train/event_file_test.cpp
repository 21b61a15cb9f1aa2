#include "apps/train/event_file.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "engine/io/file.h"
#include "tests/support/program.h"

namespace akimbo::apps {
namespace {

// A reader of records and messages written from the formats' definitions, not from our writer.
std::uint64_t little_endian(const std::string& bytes, std::size_t at, int num_bytes) {
  std::uint64_t value = 0;
  for (int i = num_bytes - 1; i >= 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes.at(at + i));
  }
  return value;
}

std::vector<std::string> read_records(const std::string& file) {
  std::vector<std::string> records;
  for (std::size_t at = 0; at < file.size();) {
    const std::size_t length = little_endian(file, at, 8);
    EXPECT_EQ(little_endian(file, at + 8, 4), masked_crc32c(file.substr(at, 8)));
    records.push_back(file.substr(at + 12, length));
    EXPECT_EQ(little_endian(file, at + 12 + length, 4), masked_crc32c(records.back()));
    at += 16 + length;
  }
  return records;
}

struct Field {
  int number = 0;
  std::uint64_t bits = 0;  // of a varint, double or float
  std::string bytes;
};

std::uint64_t varint(const std::string& message, std::size_t& at) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(message.at(at++));
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
}

std::vector<Field> fields_of(const std::string& message) {
  std::vector<Field> fields;
  for (std::size_t at = 0; at < message.size();) {
    const std::uint64_t key = varint(message, at);
    Field field{static_cast<int>(key >> 3), 0, ""};
    const int kind = static_cast<int>(key & 7);
    if (kind == 0) {
      field.bits = varint(message, at);
    } else if (kind == 2) {
      const std::size_t length = varint(message, at);
      field.bytes = message.substr(at, length);
      at += length;
    } else {
      const int size = kind == 1 ? 8 : 4;
      field.bits = little_endian(message, at, size);
      at += size;
    }
    fields.push_back(field);
  }
  return fields;
}

TEST(EventFile, ChecksumsAreThePublishedOnes) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);            // the check value of CRC-32C
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(EventFile, HoldsScalarsAndText) {
  const testing_support::ScratchFolder folder;
  std::string path;
  {
    EventFile events(folder.path());
    events.write_text("config", "{}");
    events.write_scalars(300, {{"train_loss", 0.25}, {"train_acc", 0.5}});
    path = events.path().string();
  }
  const std::vector<std::string> records = read_records(io::read_file(path));
  ASSERT_EQ(records.size(), 3u);
  const std::vector<Field> version = fields_of(records[0]);
  EXPECT_EQ(version[1].number, 3);
  EXPECT_EQ(version[1].bytes, "brain.Event:2");

  const std::vector<Field> scalars = fields_of(records[2]);
  ASSERT_EQ(scalars.size(), 3u);
  EXPECT_GT(std::bit_cast<double>(scalars[0].bits), 1e9);
  EXPECT_EQ(scalars[1].bits, 300u);
  const std::vector<Field> values = fields_of(scalars[2].bytes);
  ASSERT_EQ(values.size(), 2u);
  const std::vector<Field> accuracy = fields_of(values[1].bytes);
  EXPECT_EQ(accuracy[0].bytes, "train_acc");
  EXPECT_EQ(std::bit_cast<float>(static_cast<std::uint32_t>(accuracy[1].bits)), 0.5f);

  const std::vector<Field> text = fields_of(fields_of(fields_of(records[1])[2].bytes)[0].bytes);
  EXPECT_EQ(text[0].bytes, "config");
  EXPECT_EQ(fields_of(text[1].bytes)[2].bytes, "{}");
}

}  // namespace
}  // namespace akimbo::apps
