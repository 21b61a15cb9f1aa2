#include "engine/io/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/core/error.h"

namespace akimbo::io {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  int close() {
    const int result = fd_ >= 0 ? ::close(fd_) : 0;
    fd_ = -1;
    return result;
  }

 private:
  int fd_;
};

[[noreturn]] void throw_errno(const char* what, const std::filesystem::path& path) {
  const int code = errno;
  const char* remedy = code == ENOSPC || code == EDQUOT  ? "; free some space and run again"
                       : code == EACCES || code == EROFS ? "; choose a folder that you may write to"
                                                         : "";
  throw_error<FileError>("[file] cannot {} {}: {}{}", what, path.string(), std::strerror(code),
                         remedy);
}

void write_all(int fd, const char* data, std::size_t bytes, const std::filesystem::path& path) {
  while (bytes > 0) {
    const ssize_t written = ::write(fd, data, bytes);
    if (written < 0) {
      if (errno == EINTR) continue;
      throw_errno("write", path);
    }
    data += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw_errno("read", path);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) throw_errno("read", path);
  if (S_ISDIR(info.st_mode)) {
    throw_error<FileError>("[file] {} is a folder, a file was expected", path.string());
  }
  std::string content(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t done = 0;
  while (true) {
    if (done == content.size()) content.resize(content.size() + 4096);  // pipes have no size
    const ssize_t got = ::read(file.get(), content.data() + done, content.size() - done);
    if (got < 0) {
      if (errno == EINTR) continue;
      throw_errno("read", path);
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  content.resize(done);
  return content;
}

RandomAccessFile::RandomAccessFile(std::filesystem::path path) : path_(std::move(path)) {
  Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) throw_errno("read", path_);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) throw_errno("read", path_);
  if (!S_ISREG(info.st_mode)) {
    throw_error<FileError>("[file] {} is no regular file, one was expected", path_.string());
  }
  size_ = static_cast<std::uint64_t>(info.st_size);
  fd_ = file.release();
}

RandomAccessFile::~RandomAccessFile() {
  if (fd_ >= 0) ::close(fd_);
}

void RandomAccessFile::read_at(std::uint64_t offset, void* data, std::size_t bytes) const {
  auto* out = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t got = ::pread(fd_, out, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno("read", path_);
    if (got == 0) {
      throw_error<FileError>("[file] {} ends {} bytes before what was to be read; is it whole?",
                             path_.string(), bytes);
    }
    out += got;
    offset += static_cast<std::uint64_t>(got);
    bytes -= static_cast<std::size_t>(got);
  }
}

void write_file_atomic(const std::filesystem::path& path,
                       const std::function<void(const WriteBytes&)>& write, Durability durability) {
  static std::atomic<unsigned> count{0};  // two threads may write one file
  const std::filesystem::path temporary =
      path.string() + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) throw_errno("write", path);
  try {
    write([&](const void* data, std::size_t bytes) {
      write_all(file.get(), static_cast<const char*>(data), bytes, path);
    });
    const bool sync = durability == Durability::synced;
    if (sync && ::fsync(file.get()) != 0 && errno != EINVAL) throw_errno("write", path);
    if (file.close() != 0) throw_errno("write", path);
    if (::rename(temporary.c_str(), path.c_str()) != 0) throw_errno("write", path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content) {
  write_file_atomic(path, [&](const WriteBytes& write) { write(content.data(), content.size()); });
}

}  // namespace akimbo::io
