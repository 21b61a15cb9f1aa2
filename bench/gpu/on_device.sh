#!/usr/bin/env bash
# Everything that wants a GPU, in one go: build, the tests of the kernels on the GPU, selftest,
# compute-sanitizer on a few kernels, the benchmarks, the race against PyTorch. Goes on after a
# failure; the last lines say what failed, and the exit code is the number of failed steps.
#   bench/gpu/on_device.sh [--out DIR] [--build DIR] [--no-build] [--quick] [--steps A,B,..]
#   bench/gpu/on_device.sh --pack DIR [--build DIR]
# Logs and JSON go to DIR (default: on_device). 4: there is no GPU. --steps takes some of: tests,
# selftest, memcheck, racecheck, initcheck, layers, kernels, networks, race (default: all, in this
# order). --quick: problems so small that the emulator takes them (a build with -Dcuda=emulated):
# one family of tests and the benchmarks.
# --pack copies the built programs, the libraries that they load and this script to DIR, for a
# machine with a GPU that cannot build: there, run DIR/bench/gpu/on_device.sh --no-build.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

out=on_device build=build-gpu do_build=1 quick='' pack=''
steps=tests,selftest,memcheck,racecheck,initcheck,layers,kernels,networks,race
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2; shift 2 ;;
    --build) build=$2; shift 2 ;;
    --steps) steps=$2; shift 2 ;;
    --pack) pack=$2; shift 2 ;;
    --no-build) do_build=0; shift ;;
    --quick) quick=--quick steps=tests,layers,kernels,networks; shift ;;
    *) sed -n '2,13p' "${BASH_SOURCE[0]}"; exit 2 ;;
  esac
done

programs=(apps/akimbo tests/cuda_test bench/gpu_bench)
failed=()
wants() { [[ ,$steps, == *,$1,* ]]; }
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
compile() {
  [ -f "$build/build.ninja" ] || step setup 120 meson setup "$build" -Dcuda=on || exit 1
  step build 2400 ninja -C "$build" "${programs[@]}" || exit 1
}

# The libraries of the C library itself stay behind: those of the other machine must be newer.
pack_libraries() { # PROGRAM...
  ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u |
    grep -vE '/(libc|libm|libdl|libpthread|librt|libcuda|libresolv)\.so' |
    while read -r library; do cp -L "$library" "$pack/lib/"; done
}
if [ -n "$pack" ]; then
  mkdir -p "$out" "$pack"/{lib,build-gpu/{apps,tests,bench},bench/{gpu,peers},tests/parity}
  [ $do_build = 0 ] || compile
  for program in "${programs[@]}"; do
    strip -o "$pack/build-gpu/$program" "$build/$program" || exit 1
  done
  pack_libraries "${programs[@]/#/$build/}"
  cp bench/gpu/on_device.sh "$pack/bench/gpu/"
  cp bench/peers/race_gpu.py "$pack/bench/peers/"
  cp tests/parity/pose_*_torch.py "$pack/tests/parity/"
  du -sh "$pack"
  exit 0
fi

if [ -z "$quick" ]; then
  if ! { command -v nvidia-smi && nvidia-smi -L; } >/dev/null 2>&1; then
    echo "on_device: no GPU: nvidia-smi finds none"
    exit 4
  fi
fi
mkdir -p "$out"
out=$(realpath "$out")
[ -d lib ] && export LD_LIBRARY_PATH=$PWD/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
[ -n "$quick" ] ||
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv |
    tee "$out/gpu.txt"
[ $do_build = 0 ] || compile
(cd "$build" && ./apps/akimbo version) | tee "$out/version.txt"

small='*Softmax*:*Heatmap*:*Loss*:*Warp*:*Conv*:*Norm*'
test_program=./tests/cuda_test all='*'
[ -z "$quick" ] || test_program=./tests/emulated_test all='Conformance/Softmax*'
wants tests && step tests 540 env --chdir="$build" "$test_program" --gtest_filter="$all"
wants selftest && step selftest 300 "$build/apps/akimbo" selftest --device cuda

# Out-of-bounds and misaligned accesses, then races between barriers, then reads of what nobody
# wrote; on small problems, because the tools slow kernels down by two orders of magnitude.
for tool in memcheck racecheck initcheck; do
  wants $tool || continue
  if command -v compute-sanitizer >/dev/null; then
    step $tool 540 env --chdir="$build" compute-sanitizer --tool $tool \
      --error-exitcode 1 "$test_program" --gtest_filter="$small"
  else
    echo "compute-sanitizer is not there: $tool is left out"
  fi
done

for section in layers kernels networks; do
  wants $section || continue
  lines=400 step $section 540 "$build/bench/gpu_bench" $quick --only $section \
    --json "$out/$section.json"
done
if wants race; then
  if python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    lines=40 step race 900 python3 bench/peers/race_gpu.py --build "$build" --json "$out/race.json"
  else
    echo "PyTorch with a GPU is not there: the race is left out"
  fi
fi

[ ${#failed[@]} -eq 0 ] && { echo "everything passed; results in $out"; exit 0; }
printf 'failed: %s\n' "${failed[@]}"
exit ${#failed[@]}
