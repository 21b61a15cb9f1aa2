// TensorBoard event files: records of length, masked CRC-32C and a protocol-buffer message.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace akimbo::apps {

class EventFile {
 public:
  // Opens events.out.tfevents.TIME.PID.akimbo in `folder`. Throws Error when it cannot.
  explicit EventFile(const std::filesystem::path& folder);

  using Scalar = std::pair<std::string, double>;
  void write_scalars(std::int64_t step, const std::vector<Scalar>& scalars);
  // Shown under TEXT, as Markdown.
  void write_text(const std::string& tag, std::string_view text);
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  void write_event(std::int64_t step, const std::string& summary);
  void write_record(const std::string& message);

  std::filesystem::path path_;
  std::ofstream file_;
};

// Castagnoli's CRC (iSCSI, RFC 3720): reflected polynomial 0x82F63B78.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes);
// As the record format stores it: rotated right by 15 bits plus a constant, so that the sum of a
// text that holds sums stays a good sum.
[[nodiscard]] std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace akimbo::apps
