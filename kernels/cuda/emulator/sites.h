// Deliberate faults, by which the tests show that the emulator and the conformance suite see real
// ones. Every call of a device function that matters is a site: its name, file, line and column.
// With AKIMBO_EMULATOR_SITES=FILE a process appends the sites that its kernels reached to FILE, one
// a line; with AKIMBO_EMULATOR_MUTATE=SITE, a line of such a file, the call there does wrong:
//   sync_..., wait_copies, commit_copies   does nothing
//   shuffle...                             gives back the lane's own value
//   copy_async_...                         copies although it was told to write zeros
//   load_matrix..., mma_...                swaps two registers of a fragment
//   fence_barrier_init, fence_async_shared, barrier_arrive, barrier_wait, wgmma_fence,
//   wgmma_commit, wgmma_wait                             does nothing barrier_arrive_expect expects
//   16 bytes too few copy_tensor_...                        copies from the next innermost element
//   on wgmma                                  takes each operand for the other
#pragma once

#include <source_location>
#include <string>
#include <vector>

namespace akimbo::kernels::device::emulator {

// From now on until the next call, `site` does wrong ("": none does) and the sites reached are
// noted anew.
void watch_sites(const std::string& site);
void stop_watching_sites();
[[nodiscard]] std::vector<std::string> reached_sites();

[[nodiscard]] bool watches_sites_from_start();
inline bool sites_watched = watches_sites_from_start();  // false costs a kernel one test

// Notes the site; true when it is the one to do wrong.
[[nodiscard]] bool reach_site(const char* what, const std::source_location& where);

[[nodiscard]] inline bool is_mutated(const char* what, const std::source_location& where) {
  return sites_watched && reach_site(what, where);
}

}  // namespace akimbo::kernels::device::emulator
