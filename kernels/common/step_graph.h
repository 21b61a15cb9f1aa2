// Steps that wait for one another, run several at a time.
#pragma once

#include <functional>
#include <vector>

namespace akimbo::kernels {

// For each step the earlier ones that must be done before it begins.
using StepGraph = std::vector<std::vector<int>>;

// Calls body(i) once for each step, on num_threads() threads: the first step that can begin goes to
// the next free thread; a thread that finds none helps with the others' parallel_for. One after
// another where parallel_for is serial. After an exception no step begins; the first is rethrown.
void run_steps(const StepGraph& graph, const std::function<void(int step)>& body);

}  // namespace akimbo::kernels
