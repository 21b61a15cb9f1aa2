#!/usr/bin/env bash
# Everything that wants a GPU, in one go: build, the tests of the kernels on the GPU, selftest,
# compute-sanitizer on a few kernels, the benchmarks, the race against PyTorch. Goes on after a
# failure; the last lines say what failed, and the exit code is the number of failed steps.
#   bench/gpu/on_device.sh [--out DIR] [--build DIR] [--no-build]
# Logs and JSON go to DIR (default: on_device). 4: there is no GPU.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

out=on_device build=build-gpu do_build=1
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2; shift 2 ;;
    --build) build=$2; shift 2 ;;
    --no-build) do_build=0; shift ;;
    *) sed -n '2,7p' "${BASH_SOURCE[0]}"; exit 2 ;;
  esac
done
command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1 ||
  { echo "on_device: no GPU: nvidia-smi finds none"; exit 4; }
mkdir -p "$out"

failed=()
step() { # NAME SECONDS COMMAND...
  local name=$1 limit=$2 code=0 begin=$SECONDS
  shift 2
  echo "== $name: $*"
  timeout "$limit" "$@" >"$out/$name.log" 2>&1 || code=$?
  tail -n "${lines:-3}" "$out/$name.log"
  echo "   $name: exit code $code after $((SECONDS - begin)) s"
  [ $code -eq 0 ] || failed+=("$name ($code)")
  return $code
}

nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv | tee "$out/gpu.txt"
if [ $do_build = 1 ]; then
  [ -f "$build/build.ninja" ] || step setup 120 meson setup "$build" -Dcuda=on || exit 1
  step build 1800 ninja -C "$build" apps/akimbo tests/cuda_test bench/gpu_bench || exit 1
fi

(cd "$build" && ./apps/akimbo version) | tee "$out/version.txt"
step tests 600 env --chdir="$build" ./tests/cuda_test
step selftest 300 "$build/apps/akimbo" selftest --device cuda

# Out-of-bounds and misaligned accesses, then races between barriers, then reads of what nobody
# wrote; on small problems, because the tools slow kernels down by two orders of magnitude.
if command -v compute-sanitizer >/dev/null; then
  few='*Softmax*:*Heatmap*:*Loss*:*Warp*:*Conv*:*BatchNorm*:*Norm*'
  for tool in memcheck racecheck initcheck; do
    step "sanitizer-$tool" 600 env --chdir="$build" compute-sanitizer --tool "$tool" \
      --error-exitcode 1 ./tests/cuda_test --gtest_filter="$few"
  done
else
  echo "compute-sanitizer is not there: its steps are left out"
fi

lines=400 step bench 300 "$build/bench/gpu_bench" --json "$out/gpu_bench.json"
if python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
  lines=40 step race 900 python3 bench/peers/race_gpu.py --build "$build" --json "$out/race.json"
else
  echo "PyTorch with a GPU is not there: the race is left out"
fi

[ ${#failed[@]} -eq 0 ] && { echo "everything passed; results in $out"; exit 0; }
printf 'failed: %s\n' "${failed[@]}"
exit ${#failed[@]}
