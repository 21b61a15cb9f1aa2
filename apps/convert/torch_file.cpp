#include "apps/convert/torch_file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "apps/convert/stored_zip.h"
#include "apps/convert/torch_write.h"
#include "engine/core/error.h"
#include "engine/io/file.h"
#include "engine/io/json.h"

namespace akimbo::convert {

static_assert(std::endian::native == std::endian::little, "elements are copied as they are");

// Bytes of the storages of one file. What is read and made of them is counted, so that a small file
// whose many tensors overlap in one storage cannot cost endless time or memory.
class TorchFile::Elements {
 public:
  Elements(const Pickle& pickle, std::string where, std::uint64_t file_bytes)
      : pickle_(pickle), where_(std::move(where)), budget_(file_bytes * 64 + kFreeBudget) {}
  virtual ~Elements() = default;

  void read(int storage, std::uint64_t begin, std::uint64_t bytes, void* to) {
    charge(bytes);
    if (bytes > 0) read_bytes(storage, begin, bytes, to);
  }
  void charge(std::uint64_t bytes) {
    if (bytes > budget_) {
      throw_error<FileError>(
          "[torch] {}: its tensors overlap so often that reading them all would "
          "take many times the file; it is damaged or hostile",
          where_);
    }
    budget_ -= bytes;
  }
  [[nodiscard]] std::uint64_t storage_bytes(int storage) const {
    const StorageRecord& record = pickle_.storages[static_cast<std::size_t>(storage)];
    return static_cast<std::uint64_t>(record.numel) * element_bytes(record.type);
  }
  [[nodiscard]] bool is_big_endian() const { return is_big_endian_; }
  void set_big_endian(bool value) { is_big_endian_ = value; }

 protected:
  virtual void read_bytes(int storage, std::uint64_t begin, std::uint64_t bytes, void* to) = 0;

 private:
  static constexpr std::uint64_t kFreeBudget = 512u << 20;
  const Pickle& pickle_;
  std::string where_;
  std::uint64_t budget_;
  bool is_big_endian_ = false;
};

namespace {

constexpr std::string_view kZipStart = "PK\x03\x04";
// Begin of the first pickle of a legacy stream: protocol 2, LONG1 of ten bytes, the magic number.
constexpr std::string_view kLegacyStart(
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15);
constexpr std::int64_t kLegacyProtocol = 1001;
constexpr std::size_t kHeadBytes = 512;

std::string head_of(const io::RandomAccessFile& file) {
  std::string head(std::min<std::uint64_t>(file.size(), kHeadBytes), '\0');
  if (!head.empty()) file.read_at(0, head.data(), head.size());
  return head;
}

// What a file that is no PyTorch checkpoint seems to be, for the message.
std::string guess_format(std::string_view head) {
  if (head.empty()) return "it is empty";
  if (head.starts_with("\x89HDF\r\n")) return "it is an HDF5 (Keras) file";
  if (head.starts_with("\x1f\x8b")) return "it is compressed with gzip; unpack it first";
  if (head.starts_with("<!DOCTYPE") || head.starts_with("<html") || head.starts_with("<HTML")) {
    return "it is a web page, so the download went wrong; get the file again";
  }
  if (head.size() >= 262 && head.substr(257, 5) == "ustar") {
    return "it is a tar archive (PyTorch 0.1.9 or older), which is not supported; load it with an "
           "old PyTorch and save the state_dict again";
  }
  if (head.size() > 9 && head[8] == '{') return "it is a safetensors file; give it that extension";
  if (head.starts_with("\x80\x02")) {
    return "it is a pickle without PyTorch's magic number; the file is damaged or was not written "
           "by torch.save";
  }
  return "its first bytes are of neither form; the file is damaged or of another kind";
}

class ZipElements : public TorchFile::Elements {
 public:
  ZipElements(const Pickle& pickle, std::shared_ptr<StoredZip> zip,
              std::vector<const StoredZip::Member*> members, const std::string& where,
              std::uint64_t file_bytes)
      : Elements(pickle, where, file_bytes), zip_(std::move(zip)), members_(std::move(members)) {}

 protected:
  void read_bytes(int storage, std::uint64_t begin, std::uint64_t bytes, void* to) override {
    const StoredZip::Member& member = *members_[static_cast<std::size_t>(storage)];
    if (begin == 0 && bytes == member.num_bytes) return zip_->read(member, to);
    if (cached_ != storage) {  // views of one storage usually follow each other
      cached_ = -1;
      cache_ = zip_->read(member);
      cached_ = storage;
    }
    std::memcpy(to, cache_.data() + begin, bytes);
  }

 private:
  std::shared_ptr<StoredZip> zip_;
  std::vector<const StoredZip::Member*> members_;
  int cached_ = -1;
  std::string cache_;
};

class LegacyElements : public TorchFile::Elements {
 public:
  LegacyElements(const Pickle& pickle, std::shared_ptr<io::RandomAccessFile> file,
                 std::vector<std::uint64_t> offsets)
      : Elements(pickle, file->path().string(), file->size()),
        file_(std::move(file)),
        offsets_(std::move(offsets)) {}

 protected:
  void read_bytes(int storage, std::uint64_t begin, std::uint64_t bytes, void* to) override {
    file_->read_at(offsets_[static_cast<std::size_t>(storage)] + begin, to, bytes);
  }

 private:
  std::shared_ptr<io::RandomAccessFile> file_;
  std::vector<std::uint64_t> offsets_;
};

// The folder that all members are in: that of the one data.pkl.
std::string root_folder(const StoredZip& zip, const std::string& where) {
  constexpr std::string_view kTree = "/data.pkl";
  std::vector<std::string> roots;
  bool has_code = false;
  for (const StoredZip::Member& member : zip.members()) {
    if (member.name.ends_with(kTree)) {
      roots.push_back(member.name.substr(0, member.name.size() - kTree.size()));
    }
    has_code = has_code || member.name.find("/code/") != std::string::npos;
  }
  if (has_code) {
    throw_error<FileError>(
        "[torch] {}: a TorchScript program, not weights; save the state_dict() "
        "of the network instead",
        where);
  }
  if (roots.size() != 1) {
    throw_error<FileError>(
        "[torch] {}: the zip archive holds {} members data.pkl, a PyTorch "
        "checkpoint has one; is it another kind of zip file?",
        where, roots.size());
  }
  return roots[0];
}

bool read_byte_order(const StoredZip& zip, const std::string& root, const std::string& where) {
  const StoredZip::Member* member = zip.find(root + "/byteorder");
  if (!member) return false;
  const std::string order = member->num_bytes <= 16 ? zip.read(*member) : "?";
  if (order != "little" && order != "big") {
    throw_error<FileError>(
        "[torch] {}: record byteorder is neither \"little\" nor \"big\"; the "
        "file is damaged",
        where);
  }
  return order == "big";
}

// A record of our own, which PyTorch passes over: an object of texts.
io::Metadata read_metadata(const StoredZip& zip, const std::string& root,
                           const std::string& where) {
  constexpr std::uint64_t kMaxBytes = 16u << 20;
  const StoredZip::Member* member = zip.find(root + "/" + kMetadataRecord);
  if (!member || member->num_bytes > kMaxBytes) return {};
  const std::string place = where + ", record " + kMetadataRecord;
  const Json json = io::parse_json(zip.read(*member), place);
  io::Metadata metadata;
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      if (value.is_string()) metadata.emplace(key, value.get<std::string>());
    }
  }
  if (metadata.empty()) throw_error<FileError>("[torch] {}: no object of texts", place);
  return metadata;
}

std::int64_t read_integer(ByteReader& reader, const char* what) {
  const Pickle pickle = read_pickle(reader);
  if (!pickle.root->is(ValueKind::integer)) reader.fail(fmt::format("{} is no number", what));
  return pickle.root->integer;
}

// Where each storage begins in a legacy stream, by index into Pickle::storages.
std::vector<std::uint64_t> locate_storages(ByteReader& reader, const Pickle& tree) {
  const Pickle keys = read_pickle(reader);
  if (!keys.root->is(ValueKind::list)) reader.fail("the list of storages is no list");
  std::unordered_map<std::string, std::size_t> by_key;
  for (std::size_t i = 0; i < tree.storages.size(); ++i) by_key.emplace(tree.storages[i].key, i);
  std::vector<std::uint64_t> offsets(tree.storages.size(), 0);
  std::size_t num_found = 0;
  for (const Value* key : keys.root->items) {
    const auto it = key->is(ValueKind::text) ? by_key.find(key->utf8()) : by_key.end();
    if (it == by_key.end()) reader.fail("lists a storage that no tensor uses; the file is damaged");
    const StorageRecord& storage = tree.storages[it->second];
    std::uint64_t& offset = offsets[it->second];
    if (offset != 0) reader.fail(fmt::format("storage \"{}\" is listed twice", storage.key));
    const auto numel = static_cast<std::int64_t>(reader.take_unsigned(8));
    if (numel != storage.numel) {
      reader.fail(fmt::format("storage \"{}\" has {} elements, its tensors say {}", storage.key,
                              numel, storage.numel));
    }
    offset = reader.position();
    reader.skip(static_cast<std::uint64_t>(numel) * element_bytes(storage.type));
    ++num_found;
  }
  if (num_found != tree.storages.size()) {
    reader.fail(fmt::format("{} of {} storages are in the file; it is cut short or damaged",
                            num_found, tree.storages.size()));
  }
  return offsets;
}

bool is_contiguous(const TensorRecord& record) {
  std::int64_t step = 1;
  for (std::size_t i = record.sizes.size(); i-- > 0;) {
    if (record.sizes[i] != 1 && record.strides[i] != step) return false;
    step *= record.sizes[i];
  }
  return true;
}

// Number of elements from the first to the last of the window.
std::int64_t span_of(const TensorRecord& record) {
  std::int64_t span = 1;
  for (std::size_t i = 0; i < record.sizes.size(); ++i) {
    span += (record.sizes[i] - 1) * record.strides[i];
  }
  return span;
}

// Copies the strided window that begins at `from` row by row of its last axis.
void gather(const TensorRecord& record, const char* from, Tensor& to) {
  const std::size_t rank = record.sizes.size();
  const auto from_bytes = static_cast<std::int64_t>(element_bytes(record.type));
  const std::int64_t row = rank == 0 ? 1 : record.sizes[rank - 1];
  const std::int64_t row_stride = rank == 0 ? 1 : record.strides[rank - 1];
  const std::int64_t num_rows = to.numel() / row;
  const std::int64_t row_bytes = row * static_cast<std::int64_t>(dtype_bytes(to.dtype()));
  auto* out = static_cast<char*>(to.raw());
  std::vector<std::int64_t> index(rank, 0);
  std::int64_t offset = 0;
  for (std::int64_t r = 0; r < num_rows; ++r) {
    widen_elements(record.type, from + offset * from_bytes, row_stride, row, out + r * row_bytes);
    for (std::size_t axis = rank < 2 ? 0 : rank - 1; axis-- > 0;) {
      offset += record.strides[axis];
      if (++index[axis] < record.sizes[axis]) break;
      offset -= record.strides[axis] * record.sizes[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace

TorchFile::TorchFile(const std::filesystem::path& path, const PickleOptions& options)
    : path_(path) {
  std::string head;
  {
    const io::RandomAccessFile file(path);
    head = head_of(file);
  }
  if (head.starts_with(kZipStart)) {
    open_zip(options);
  } else if (head.starts_with(kLegacyStart)) {
    open_legacy(options);
  } else {
    throw_error<FileError>("[torch] {} is no PyTorch checkpoint: {}", path.string(),
                           guess_format(head));
  }
}

TorchFile::~TorchFile() = default;

void TorchFile::open_zip(const PickleOptions& options) {
  format_ = "PyTorch zip";
  const std::string where = path_.string();
  const auto zip = std::make_shared<StoredZip>(path_);
  const std::string root = root_folder(*zip, where);
  const StoredZip::Member& tree = *zip->find(root + "/data.pkl");
  constexpr std::uint64_t kMaxTreeBytes = 512u << 20;
  if (tree.num_bytes > kMaxTreeBytes) {
    throw_error<FileError>(
        "[torch] {}: record data.pkl has {} bytes, more than any checkpoint needs", where,
        tree.num_bytes);
  }
  const std::string content = zip->read(tree);
  ByteReader reader(content, where + ", record " + tree.name);
  pickle_ = read_pickle(reader, options);
  std::vector<const StoredZip::Member*> members;
  for (const StorageRecord& storage : pickle_.storages) {
    const StoredZip::Member* member = zip->find(root + "/data/" + storage.key);
    if (!member) {
      throw_error<FileError>(
          "[torch] {}: record data/{} is missing, a tensor uses it; the file is "
          "damaged, get it again",
          where, storage.key);
    }
    const std::uint64_t wanted =
        static_cast<std::uint64_t>(storage.numel) * element_bytes(storage.type);
    if (member->num_bytes != wanted) {
      throw_error<FileError>(
          "[torch] {}: record data/{} has {} bytes, {} elements of {} take {}; "
          "the file is damaged, get it again",
          where, storage.key, member->num_bytes, storage.numel, element_name(storage.type), wanted);
    }
    members.push_back(member);
  }
  std::error_code ignored;
  elements_ = std::make_unique<ZipElements>(pickle_, zip, std::move(members), where,
                                            std::filesystem::file_size(path_, ignored));
  elements_->set_big_endian(read_byte_order(*zip, root, where));
  metadata_ = read_metadata(*zip, root, where);
}

// Five pickles (magic number, protocol, facts about the writer, tree, storage keys), then elements.
void TorchFile::open_legacy(const PickleOptions& options) {
  format_ = "PyTorch legacy";
  const auto file = std::make_shared<io::RandomAccessFile>(path_);
  ByteReader reader(
      [file](std::uint64_t offset, void* to, std::size_t bytes) {
        file->read_at(offset, to, bytes);
        return bytes;
      },
      file->size(), path_.string());
  reader.skip(kLegacyStart.size());
  if (read_integer(reader, "the protocol number") != kLegacyProtocol) {
    reader.fail(fmt::format("the protocol number is not {}", kLegacyProtocol));
  }
  if (!read_pickle(reader).root->is(ValueKind::dict)) reader.fail("the writer's facts are no dict");
  pickle_ = read_pickle(reader, options);
  elements_ = std::make_unique<LegacyElements>(pickle_, file, locate_storages(reader, pickle_));
}

// A stride of zero makes any size out of one element; honest files expand little.
void TorchFile::check_expansion(const TensorRecord& record, std::uint64_t source_bytes) const {
  constexpr std::uint64_t kAlwaysAllowed = 64u << 20;
  constexpr std::uint64_t kMaxFactor = 16;
  const std::uint64_t bytes =
      static_cast<std::uint64_t>(record.numel()) * element_bytes(record.type);
  if (bytes > kAlwaysAllowed && bytes / kMaxFactor > source_bytes) {
    throw_error<FileError>(
        "[torch] {}: a tensor of size [{}] would take {} bytes made of {} stored "
        "ones; the file is damaged or hostile",
        path_.string(), fmt::join(record.sizes, ","), bytes, source_bytes);
  }
}

// `count` elements of the record's storage or array, from element `begin`, in our byte order.
std::string TorchFile::source_bytes(const TensorRecord& record, std::int64_t begin,
                                    std::int64_t count) const {
  const std::size_t bytes = element_bytes(record.type);
  const auto first = static_cast<std::uint64_t>(begin) * bytes;
  std::string content(static_cast<std::size_t>(count) * bytes, '\0');
  if (record.storage < 0) {
    content = record.inline_bytes->text.substr(first, content.size());
  } else {
    elements_->read(record.storage, first, content.size(), content.data());
  }
  const bool swaps = record.storage < 0 ? record.inline_big_endian : elements_->is_big_endian();
  if (swaps) swap_bytes(content.data(), static_cast<std::size_t>(count), record.type);
  return content;
}

Tensor TorchFile::tensor(const Value& value) const {
  const TensorRecord* record = pickle_.tensor_of(value);
  if (!record) throw_error<FileError>("[torch] {}: a value is no tensor", path_.string());
  if (record->sizes.size() > Shape::kMaxRank) {
    throw_error<FileError>("[torch] {}: a tensor has {} axes, at most {} are supported",
                           path_.string(), record->sizes.size(), Shape::kMaxRank);
  }
  const std::optional<DType> dtype = engine_dtype(record->type);
  if (!dtype) {
    throw_error<FileError>(
        "[torch] {}: a tensor has elements of type {}, which the engine lacks; "
        "store it as float32",
        path_.string(), element_name(record->type));
  }
  check_expansion(*record, record->storage < 0 ? record->inline_bytes->text.size()
                                               : elements_->storage_bytes(record->storage));
  Shape shape;
  for (const std::int64_t size : record->sizes) shape.push_back(size);
  const auto numel = static_cast<std::uint64_t>(record->numel());
  elements_->charge(numel * dtype_bytes(*dtype));
  Tensor tensor = Tensor::empty(shape, *dtype);
  if (numel == 0) return tensor;
  const bool same_type =
      dtype_bytes(*dtype) == element_bytes(record->type) && record->type != ElementType::boolean;
  if (record->storage >= 0 && same_type && is_contiguous(*record)) {
    elements_->read(record->storage,
                    static_cast<std::uint64_t>(record->offset) * element_bytes(record->type),
                    tensor.num_bytes(), tensor.raw());
    if (elements_->is_big_endian()) {
      swap_bytes(tensor.raw(), static_cast<std::size_t>(tensor.numel()), record->type);
    }
    return tensor;
  }
  const std::string source = source_bytes(*record, record->offset, span_of(*record));
  gather(*record, source.data(), tensor);
  return tensor;
}

bool looks_like_torch_file(const std::filesystem::path& path) {
  const io::RandomAccessFile file(path);
  const std::string head = head_of(file);
  return head.starts_with(kZipStart) || head.starts_with(kLegacyStart);
}

}  // namespace akimbo::convert
