// Shows that the conformance suite sees faults in the real kernels: it is run again, in processes
// of its own, with one fault planted. Calls: a barrier dropped, a wait skipped, fragments swapped
// (kernels/cuda/emulator/sites.h); AKIMBO_LONG_TESTS=1 takes every call that the suite reaches,
// else a few of each kind. Bounds: the text of a kernel file is changed and compiled into a shared
// library, whose functions take the place of the program's.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/program.h"

namespace akimbo {
namespace {

// A call, and the test suites that reach it.
struct Site {
  std::string text;
  std::vector<std::string> suites;
  [[nodiscard]] std::string kind() const {
    return text.substr(0, text.find_first_of(" 0123456789"));
  }
};

// Runs the suite's tests on the emulated device; the exit code, which is not 0 either when they
// take longer than ten minutes.
int run_suite(const std::string& suite, const std::string& environment) {
  static const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = environment + " timeout 600 '" + self + "' --gtest_filter='" + suite +
                              ".*/emulated_cuda' --gtest_fail_fast >/dev/null 2>&1";
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::vector<std::string> conformance_suites() {
  std::vector<std::string> names;
  const auto& unit_test = *testing::UnitTest::GetInstance();
  for (int i = 0; i < unit_test.total_test_suite_count(); ++i) {
    const std::string name = unit_test.GetTestSuite(i)->name();
    if (name.starts_with("Conformance/")) names.push_back(name);
  }
  return names;
}

std::vector<std::string> sites_of(const std::string& suite, const std::string& list) {
  std::filesystem::remove(list);
  EXPECT_EQ(run_suite(suite, "AKIMBO_EMULATOR_SITES='" + list + "'"), 0) << suite;
  std::vector<std::string> sites;
  std::ifstream in(list);
  for (std::string line; std::getline(in, line);) sites.push_back(line);
  return sites;
}

std::vector<Site> all_sites() {
  const testing_support::ScratchFolder folder;
  std::vector<Site> sites;
  for (const std::string& suite : conformance_suites()) {
    for (const std::string& text : sites_of(suite, folder.file("sites"))) {
      const auto same = [&](const Site& site) { return site.text == text; };
      auto found = std::find_if(sites.begin(), sites.end(), same);
      if (found == sites.end()) found = sites.insert(found, {text, {}});
      found->suites.push_back(suite);
    }
  }
  return sites;
}

// By any of its suites: a barrier between two sums is idle where there is only one.
bool is_seen(const Site& site) {
  return std::any_of(site.suites.begin(), site.suites.end(), [&](const std::string& suite) {
    return run_suite(suite, "AKIMBO_EMULATOR_MUTATE='" + site.text + "'") != 0;
  });
}

// At most `count` of each kind, spread evenly.
std::vector<Site> some_of_each_kind(const std::vector<Site>& sites, std::size_t count) {
  std::map<std::string, std::vector<Site>> kinds;
  for (const Site& site : sites) kinds[site.kind()].push_back(site);
  std::vector<Site> some;
  for (const auto& [kind, all] : kinds) {
    const std::size_t taken = std::min(count, all.size());
    for (std::size_t i = 0; i < taken; ++i) some.push_back(all[i * all.size() / taken]);
  }
  return some;
}

TEST(Mutation, ConformanceSeesFaultsInRealKernels) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "too slow under sanitizers";
#endif
  const std::vector<Site> sites = all_sites();
  const bool takes_all = std::getenv("AKIMBO_LONG_TESTS") != nullptr;
  const std::vector<Site> planted = takes_all ? sites : some_of_each_kind(sites, 3);
  std::size_t num_seen = 0;
  for (const Site& site : planted) {
    if (is_seen(site)) {
      ++num_seen;
    } else {
      std::cout << "not seen: " << site.text << '\n';
    }
  }
  std::cout << num_seen << " of " << planted.size() << " planted faults seen; " << sites.size()
            << " calls could do wrong\n";
  EXPECT_GT(planted.size(), 0u);
  // Some calls may do wrong unseen: a wait for copies of which none is under way, say.
  EXPECT_GE(num_seen * 10, planted.size() * 9);
}

// ---- changed text ----

struct TextMutant {
  const char* file;    // the kernel file that is compiled
  const char* header;  // the file whose text is changed: the same, or a header that it includes
  const char* from;
  const char* to;
  const char* suite;
};

// Each moves one bound by one.
constexpr TextMutant kTextMutants[] = {
    {"elementwise.cu", "elementwise.cu", "first + N <= count", "first < count",
     "Conformance/Elementwise"},
    {"reduce.cu", "reduce.cu", "m < length", "m < length - 1", "Conformance/Reduce"},
    {"conv/conv_gather_f32.cu", "conv/conv_gather_tile.cuh", "m0 + row < phase.pixels",
     "m0 + row + 1 < phase.pixels", "Conformance/Conv"},
    {"conv/conv_gather_f32.cu", "conv/conv_loaders.cuh", "(p_.cols.source_extent)",
     "(p_.cols.source_extent + 1)", "Conformance/Conv"},
    {"conv/conv_weight_grad_f32.cu", "conv/conv_weight_grad_kernel.cuh",
     "inside_ && pixel < pixels_", "inside_ && pixel + 1 < pixels_", "Conformance/Conv"},
    {"conv/conv_wgmma_weight_grad_bf16.cu", "conv/conv_wgmma_weight_grad.cuh",
     "m0 + row < p.small_channels", "m0 + row + 1 < p.small_channels", "Conformance/ConvWgmma"},
};

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The kernel file with every `from` of the file `header` replaced, as a shared library that takes
// the emulator from the program that loads it. The changed text stands under its own path in
// `folder`, where the compiler looks first.
void compile_mutant(const TextMutant& mutant, const std::string& folder,
                    const std::string& library) {
  const auto path = [](const char* file) { return "/kernels/cuda/" + std::string(file); };
  std::string text = read_text(AKIMBO_SOURCE_ROOT + path(mutant.header));
  const std::string from = mutant.from, to = mutant.to;
  std::size_t at = text.find(from);
  ASSERT_NE(at, text.npos) << mutant.header << " has no '" << from << "' any more; choose another";
  for (; at != text.npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
  const std::filesystem::path changed = folder + path(mutant.header);
  std::filesystem::create_directories(changed.parent_path());
  std::ofstream(changed) << text;
  const bool is_source = std::strcmp(mutant.file, mutant.header) == 0;
  const std::string source = is_source ? changed.string() : AKIMBO_SOURCE_ROOT + path(mutant.file);
  const std::string command =
      std::string(AKIMBO_CXX) + " -std=c++20 -O1 -fPIC -shared -w -ffp-contract=off" +
      " -DAKIMBO_EMULATED=1 -DAKIMBO_CUDA=1 -I'" + folder + "' -I" AKIMBO_SOURCE_ROOT +
      " -x c++ '" + source + "' -o '" + library + "'";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

// The exit code of the suite with the library's launchers.
int run_mutant(const std::string& suite, const std::string& library) {
  const std::string list =
      "nm -D --defined-only '" + library +
      "' | awk '$2 == \"T\" && $3 ~ /^_ZN6akimbo7kernels4cuda/ {print $3}' >'" + library +
      ".names'";
  if (std::system(list.c_str()) != 0) return -1;
  return run_suite(suite, "AKIMBO_TEST_MUTANT='" + library + "'");
}

// Writes a jump to `replacement` over the beginning of a function of this program.
void redirect(void* function, void* replacement) {
  unsigned char jump[] = {0xff, 0x25, 0, 0, 0, 0, 0,
                          0,    0,    0, 0, 0, 0, 0};  // jmp [rip + 0]; address
  std::memcpy(jump + 6, &replacement, sizeof(replacement));
  const auto page_size = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto page = reinterpret_cast<std::uintptr_t>(function) / page_size * page_size;
  if (mprotect(reinterpret_cast<void*>(page), 2 * page_size, PROT_READ | PROT_WRITE | PROT_EXEC)) {
    throw std::runtime_error("cannot write to the program's code");
  }
  std::memcpy(function, jump, sizeof(jump));
}

// In a child: with AKIMBO_TEST_MUTANT=LIBRARY, its launchers are called instead of the program's.
class Replace : public testing::Environment {
  void SetUp() override {
    const char* library = std::getenv("AKIMBO_TEST_MUTANT");
    if (library == nullptr) return;
    void* mutant = dlopen(library, RTLD_NOW);
    ASSERT_NE(mutant, nullptr) << dlerror();
    std::ifstream names(std::string(library) + ".names");
    int num_replaced = 0;
    for (std::string name; names >> name;) {
      void* original = dlsym(RTLD_DEFAULT, name.c_str());
      void* replacement = dlsym(mutant, name.c_str());
      if (original == nullptr || replacement == nullptr || original == replacement) continue;
      redirect(original, replacement);
      ++num_replaced;
    }
    ASSERT_GT(num_replaced, 0);
  }
};
const auto* const replace = testing::AddGlobalTestEnvironment(new Replace);

TEST(Mutation, ConformanceSeesMovedBounds) {
#if defined(__SANITIZE_ADDRESS__) || !defined(__x86_64__)
  GTEST_SKIP() << "needs plain x86-64 code";
#endif
  const testing_support::ScratchFolder folder;
  int number = 0;
  for (const TextMutant& mutant : kTextMutants) {
    const std::string base = folder.file("mutant" + std::to_string(number++));
    // Unchanged first: the suite passes with a replaced file as such.
    if (number == 1) {
      TextMutant same = mutant;
      same.to = same.from;
      compile_mutant(same, base + "_same", base + "_same.so");
      ASSERT_EQ(run_mutant(mutant.suite, base + "_same.so"), 0);
    }
    compile_mutant(mutant, base, base + ".so");
    EXPECT_EQ(run_mutant(mutant.suite, base + ".so"), 1) << mutant.header << ": " << mutant.to;
  }
}

}  // namespace
}  // namespace akimbo
