// Pickles written byte by byte: every opcode, everything that must be refused, and what a hostile
// file may not cost. Files as PyTorch writes them are in torch_file_test.cpp.
#include "apps/convert/pickle.h"

#include <gtest/gtest.h>

#include <chrono>

#include "engine/core/error.h"
#include "tests/support/throws.h"

namespace akimbo::convert {
namespace {

using namespace std::string_literals;

Pickle parse(const std::string& bytes, const PickleOptions& options = {}) {
  ByteReader reader(bytes, "test.pth");
  return read_pickle(reader, options);
}

std::string little_endian(std::uint64_t value, int num_bytes) {
  std::string bytes;
  for (int i = 0; i < num_bytes; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
  return bytes;
}

// BINUNICODE
std::string text(const std::string& content) {
  return "X" + little_endian(content.size(), 4) + content;
}

// ('storage', torch.FloatStorage, '0', 'cpu', numel) BINPERSID
std::string float_storage(int numel) {
  return "(" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") + "K" +
         little_endian(static_cast<std::uint64_t>(numel), 1) + "tQ";
}

// _rebuild_tensor_v2(storage of six floats, offset, size, strides, False, OrderedDict()); the
// arguments are pickled integers and tuples.
std::string tensor(const std::string& offset, const std::string& size, const std::string& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + float_storage(6) + offset + size + strides +
         "\x89" + "ccollections\nOrderedDict\n)RtR";
}

TEST(Pickle, IntegersOfEveryOpcode) {
  const std::vector<std::pair<std::string, std::int64_t>> cases = {
      {"K\xff"s, 255},
      {"M\x01\x02"s, 513},
      {"J\xff\xff\xff\xff"s, -1},
      {"J\x00\x00\x00\x80"s, -2147483648LL},
      {"\x8a\x00"s, 0},
      {"\x8a\x01\x80"s, -128},
      {"\x8a\x02\x80\x00"s, 128},
      {"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"s, INT64_MAX},
      {"\x8a\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00"s, 1},  // longer than needed
      {"\x8b\x02\x00\x00\x00\x34\x12"s, 0x1234},
      {"I-42\n", -42},
      {"L9007199254740993L\n", 9007199254740993LL},
  };
  for (const auto& [bytes, wanted] : cases) {
    const Pickle pickle = parse(bytes + ".");
    ASSERT_TRUE(pickle.root->is(ValueKind::integer)) << testing::PrintToString(bytes);
    EXPECT_EQ(wanted, pickle.root->integer);
  }
  EXPECT_TRUE(
      parse("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00."s).root->is(ValueKind::big_integer));
  EXPECT_EQ(1, parse("I01\n.").root->integer);
  EXPECT_TRUE(parse("I01\n.").root->is(ValueKind::boolean));
  EXPECT_EQ(2.5, parse("F2.5\n.").root->real);
  EXPECT_EQ(-1.0, parse("G\xbf\xf0\x00\x00\x00\x00\x00\x00."s).root->real);
}

TEST(Pickle, ContainersShareWhatTheMemoHolds) {
  // a = []; [a, a, {"k": a}] with later items appended to a
  const Pickle pickle = parse("(]q\x05h\x05}"s + text("k") + "h\x05s" + "t.");
  ASSERT_EQ(3u, pickle.root->items.size());
  EXPECT_EQ(pickle.root->items[0], pickle.root->items[1]);
  EXPECT_EQ(pickle.root->items[0], pickle.root->items[2]->find("k"));
  EXPECT_EQ(nullptr, pickle.root->items[2]->find("other"));
}

TEST(Pickle, TheLastOfEqualKeysCounts) {
  const Pickle pickle = parse("}(" + text("k") + "K\x01" + text("k") + "K\x02u.");
  EXPECT_EQ(2, pickle.root->find("k")->integer);
}

TEST(Pickle, PythonTwoStringsAreUtf8OrLatin1) {
  EXPECT_EQ("caf\xc3\xa9", parse("U\x05"s + "caf\xc3\xa9.").root->utf8());
  EXPECT_EQ("caf\xc3\xa9", parse("U\x04"s + "caf\xe9.").root->utf8());
}

TEST(Pickle, MemoIndicesMayBeHuge) {
  EXPECT_EQ(7, parse("K\x07r\xff\xff\xff\xff"s + "0j\xff\xff\xff\xff.").root->integer);
}

TEST(Pickle, MalformedStreamsAreRefused) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "are left"},   // no STOP
      {"K", "are left"},  // cut operand
      {".", "empty stack"},
      {"0.", "empty stack"},
      {"(\x85.", "empty stack"},  // TUPLE1 across a mark
      {"t.", "mark that was not set"},
      {"h\x03.", "memo slot 3"},
      {"K\x01K\x02s.", "empty stack"},
      {"]K\x01K\x02s.", "holds none"},  // SETITEM on a list
      {"}(K\x01u.", "key without a value"},
      {"(K\x01"s + "d.", "key without a value"},
      {"\x80\x06.", "newer than 5"},
      {"X\x02\x00\x00\x00\xff\xfe."s, "no UTF-8"},
      {"I12x\n.", "no number"},
      {"I99999999999999999999\n.", "no number"},
      {"i__main__\nX\n.", "opcode 0x69"},  // INST
      {"\x82\x01.", "opcode 0x82"},        // EXT1
      {"P1\n.", "opcode 0x50"},            // PERSID
      {"K\x01K\x02R.", "no argument tuple"},
      {"K\x01)R.", "no function"},
      {"K\x01)b.", "gives state"},
      {"K\x01Q.", "persistent id"},
  };
  for (const auto& [bytes, part] : cases) {
    EXPECT_THROWS_WITH((void)parse(bytes), FileError, part);
    EXPECT_THROWS_WITH((void)parse(bytes), FileError, "test.pth, byte ");
  }
}

// Each would run code in an unguarded reader.
TEST(Pickle, AttemptsToRunCodeAreRefusedByName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"cos\nsystem\n(" + text("touch /tmp/owned") + "tR.", "os.system"},
      {"cposix\nsystem\n(" + text("id") + "tR.", "posix.system"},
      {"c__builtin__\neval\n(" + text("1") + "tR.", "builtins.eval"},
      {"cbuiltins\nexec\n(" + text("1") + "tR.", "builtins.exec"},
      {"cbuiltins\ngetattr\n(" + text("1") + "tR.", "builtins.getattr"},
      {"csubprocess\nPopen\n(" + text("id") + "tR.", "subprocess.Popen"},
      {"ctorch.storage\n_load_from_bytes\n(C\x01xtR.", "torch.storage._load_from_bytes"},
      {"ctorch\nload\n(" + text("x") + "tR.", "torch.load"},
      {"ccopy_reg\n_reconstructor\n(tR.", "copyreg._reconstructor"},
      {"cnumpy\nload\n(tR.", "numpy.load"},
      {"\x8c\x02os\x8c\x06system\x93.", "os.system"},
      // Dots and line ends inside a name make no other name of it.
      {"ctorch\n_utils._rebuild_tensor_v2.__globals__\n.",
       "torch._utils._rebuild_tensor_v2.__globals__"},
      {"ctorch.nn.modules.conv\nConv2d\n)\x81.", "torch.nn.modules.conv.Conv2d"},
  };
  for (const auto& [bytes, name] : cases) {
    EXPECT_THROWS_WITH((void)parse(bytes), FileError, "\"" + name.substr(0, 100));
  }
  // Allowed names have one meaning only; types that are only mentioned are not called.
  EXPECT_THROWS_WITH((void)parse("cbuiltins\nlist\n)R."), FileError, "calls \"builtins.list\"");
  EXPECT_THROWS_WITH((void)parse("ctorch\nFloatStorage\n)R."), FileError, "torch.FloatStorage");
  EXPECT_THROWS_WITH((void)parse("ccollections\nOrderedDict\n)\x81."), FileError,
                     "makes an object");
  EXPECT_THROWS_WITH((void)parse("ccollections\nOrderedDict\n)Rcos\nsystem\nb."), FileError,
                     "os.system");
}

TEST(Pickle, UnknownClassesStayInertWhenKept) {
  const PickleOptions keep{.keep_unknown = true};
  // Namespace object with state and items; beside it a number.
  const std::string object = "cargparse\nNamespace\n)\x81}" + text("lr") + "K\x01sb";
  const Pickle pickle = parse("}(" + text("args") + object + text("epoch") + "K\x09u.", keep);
  ASSERT_TRUE(pickle.root->find("args")->is(ValueKind::opaque));
  EXPECT_EQ("argparse.Namespace", pickle.root->find("args")->text);
  EXPECT_TRUE(pickle.root->find("args")->items.empty());
  EXPECT_EQ(9, pickle.root->find("epoch")->integer);
  const Pickle called = parse("cos\nsystem\n(" + text("id") + "tR.", keep);
  EXPECT_TRUE(called.root->is(ValueKind::opaque));
}

TEST(Pickle, TensorGeometryIsChecked) {
  const Pickle good = parse(tensor("K\x01", "(K\x02K\x02t", "(K\x03K\x01t") + ".");
  const TensorRecord* record = good.tensor_of(*good.root);
  ASSERT_NE(nullptr, record);
  EXPECT_EQ(1, record->offset);
  EXPECT_EQ(4, record->numel());
  const std::string huge = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"s;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {tensor("K\x02", "(K\x02K\x02t", "(K\x03K\x02t"), "reaches element 7"},
      {tensor("K\x06", ")", ")"), "reaches element 6"},
      {tensor("J\xff\xff\xff\xff", "(K\x01t", "(K\x01t"), "negative or overflowing"},
      {tensor("K"s + '\0', "(J\xff\xff\xff\xfft", "(K\x01t"), "negative or overflowing"},
      {tensor("K"s + '\0', "(K\x02t", "(J\xff\xff\xff\xfft"), "negative or overflowing"},
      {tensor("K"s + '\0', "(" + huge + huge + "t", "(K\x01K\x01t"), "negative or overflowing"},
      {tensor("K"s + '\0', "(K\x03t", "(" + huge + "t"), "negative or overflowing"},
      {tensor("K"s + '\0', "(K\x02K\x02t", "(K\x01t"), "2 sizes and 1 strides"},
      {tensor(text("0"), "(K\x02t", "(K\x01t"), "offset"},
      {tensor("K"s + '\0', "(Nt", "(K\x01t"), "size"},
      {tensor("K"s + '\0', "K\x02", "(K\x01t"), "size"},
  };
  for (const auto& [bytes, part] : cases) {
    EXPECT_THROWS_WITH((void)parse(bytes + "."), FileError, part);
  }
}

TEST(Pickle, StoragesAreChecked) {
  const std::string module = "(" + text("module") + "NNNtQ.";
  EXPECT_THROWS_WITH((void)parse(module), FileError, "state_dict()");
  const std::string unknown =
      "(" + text("storage") + text("float") + text("0") + text("cpu") + "K\x01tQ.";
  EXPECT_THROWS_WITH((void)parse(unknown), FileError, "no known element type");
  const std::string negative = "(" + text("storage") + "ctorch\nFloatStorage\n" + text("0") +
                               text("cpu") + "J\xff\xff\xff\xfftQ.";
  EXPECT_THROWS_WITH((void)parse(negative), FileError, "claims -1 elements");
  EXPECT_THROWS_WITH((void)parse("(" + float_storage(6) + float_storage(5) + "t."), FileError,
                     "twice and differently");
}

TEST(Pickle, BytesOfProtocolTwoAndNumpyNumbers) {
  const std::string encode = "c_codecs\nencode\n(" + text("\xc3\xbf\x01") + text("latin1") + "tR";
  EXPECT_EQ("\xff\x01", parse(encode + ".").root->text);
  EXPECT_THROWS_WITH((void)parse("c_codecs\nencode\n(" + text("x") + text("rot13") + "tR."),
                     FileError, "latin1");
  const std::string big_endian_short = "cnumpy\ndtype\n(" + text("i2") + "\x89\x88tR(K\x03" +
                                       text(">") + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK" + '\0' +
                                       "tb";
  const std::string scalar =
      "cnumpy.core.multiarray\nscalar\n(" + big_endian_short + "C\x02\x01\x02tR.";
  EXPECT_EQ(0x0102, parse(scalar).root->integer);
  EXPECT_THROWS_WITH((void)parse("cnumpy\ndtype\n(" + text("O8") + "\x89\x88tR."), FileError, "O8");
}

// What a hostile file asks for, it does not get: every case ends at once and within bounds.
TEST(Pickle, HostileSizesEndAtOnce) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROWS_WITH((void)parse("X\xff\xff\xff\xff."), FileError, "longer than 16 MiB");
  EXPECT_THROWS_WITH((void)parse("\x8d" + little_endian(1ull << 62, 8) + "."), FileError,
                     "longer than 16 MiB");
  EXPECT_THROWS_WITH((void)parse("\x8b\xff\xff\xff\x7f."), FileError, "integer of");
  EXPECT_THROWS_WITH((void)parse("\x95" + little_endian(8, 8) + "\x8d"), FileError, "are left");
  // A million nested tuples.
  EXPECT_THROWS_WITH((void)parse(")" + std::string(1'000'000, '\x85') + "."), FileError,
                     "more than 1000 deep");
  // The same string encoded again and again: a copy for four bytes of file.
  std::string copies = "c_codecs\nencode\nq" + std::string(1, '\0') +
                       text(std::string(1 << 20, 'a')) + text("latin1") + "\x86q\x01" + "0";
  for (int i = 0; i < 2000; ++i) copies += "h"s + '\0' + "h\x01R";
  EXPECT_THROWS_WITH((void)parse(copies + "."), FileError, "MiB of text");
  // The same long list made a set again and again.
  std::string lists = "cbuiltins\nset\nq"s + '\0' + "(";
  lists += std::string(100'000, 'N') + "l\x85q\x01" + "0";
  for (int i = 0; i < 2000; ++i) lists += "h"s + '\0' + "h\x01R";
  EXPECT_THROWS_WITH((void)parse(lists + "."), FileError, "list and dict entries");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(Pickle, CyclesAreOnlyReferences) {
  const Pickle pickle = parse("]q"s + '\0' + "h" + '\0' + "a.");
  EXPECT_EQ(pickle.root, pickle.root->items[0]);
}

}  // namespace
}  // namespace akimbo::convert
