#include "kernels/cuda/emulator/sites.h"

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "kernels/cuda/emulator/race.h"

namespace akimbo::kernels::device::emulator {
namespace {

std::string text_of(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

std::string site_text(const char* what, const std::source_location& where) {
  std::string_view file = where.file_name();
  if (const auto at = file.rfind("kernels/"); at != file.npos) file.remove_prefix(at);
  std::string text = what;
  text += ' ';
  text += file;
  text += ':' + std::to_string(where.line()) + ':' + std::to_string(where.column());
  return text;
}

struct Sites {
  std::string mutated = text_of("AKIMBO_EMULATOR_MUTATE");
  std::string list = text_of("AKIMBO_EMULATOR_SITES");
  // By address of the names: one site of several templates may be there more than once.
  std::set<std::tuple<const char*, const char*, unsigned, unsigned>> seen, wrong;
  std::set<std::string> listed;
};

Sites& sites() {
  static Sites value;
  return value;
}

}  // namespace

void watch_sites(const std::string& site) {
  sites().mutated = site;
  sites().seen.clear();
  sites().wrong.clear();
  sites().listed.clear();
  sites_watched = true;
}

void stop_watching_sites() {
  watch_sites("");
  sites_watched = false;
}

std::vector<std::string> reached_sites() { return {sites().listed.begin(), sites().listed.end()}; }

bool watches_sites_from_start() { return !sites().mutated.empty() || !sites().list.empty(); }

bool reach_site(const char* what, const std::source_location& where) {
  const Untracked untracked;
  Sites& all = sites();
  const std::tuple key(what, where.file_name(), where.line(), where.column());
  if (all.seen.insert(key).second) {
    const std::string text = site_text(what, where);
    if (text == all.mutated) all.wrong.insert(key);
    if (all.listed.insert(text).second && !all.list.empty()) {
      std::ofstream(all.list, std::ios::app) << text << '\n';
    }
  }
  return all.wrong.contains(key);
}

}  // namespace akimbo::kernels::device::emulator
