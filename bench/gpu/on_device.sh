#!/usr/bin/env bash
# Everything that wants a GPU: build, the tests of the kernels on the GPU, selftest (ours and the
# vendor's kernels), compute-sanitizer on a few kernels, the benchmarks, the race against PyTorch,
# training against the CPU. Goes on after a failure; the last lines say what failed, and the exit
# code is the number of failed steps.
#   bench/gpu/on_device.sh [--out DIR] [--build DIR] [--no-build] [--quick] [--steps A,B,..]
#                          [--packed DIR] [--seconds N]
#   bench/gpu/on_device.sh --pack DIR | --pack-debs DIR [--build DIR] [--no-build] [--limit MiB]
# Steps (default: all but lspet, in this order): build, tests, selftest, selftest_vendor, memcheck,
# racecheck, synccheck, initcheck, layers, kernels, networks, race, curves, lspet (--data DIR, the
# Leeds set in COCO's format). DIR of --out (default: on_device) gets at most eight files: log.txt,
# summary.txt, lspet.jsonl, and a .json of layers, kernels, networks, race, curves.
# --seconds N: no step is begun, and none goes on, beyond N seconds; those left out are named, and
# --no-build --steps takes them up. Exit code 4: there is no GPU.
# --quick: problems so small that the emulator takes them (a build with -Dcuda=emulated).
# --pack, --pack-debs, --packed: for a machine that cannot build, or lacks our libraries (pack.sh).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

out=on_device build=build-gpu do_build=1 quick='' pack='' packer='' packed='' limit=64 data=''
seconds=1000000
all_steps=build,tests,selftest,selftest_vendor,memcheck,racecheck,synccheck,initcheck
all_steps+=,layers,kernels,networks,race,curves
steps=$all_steps
programs=(apps/akimbo tests/cuda_test bench/gpu_bench)
usage() { sed -n '2,20p' "${BASH_SOURCE[0]}"; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=--quick steps=build,tests,layers,kernels,networks; shift; continue ;;
    --no-build) do_build=0; shift; continue ;;
  esac
  [ $# -ge 2 ] || usage
  case $1 in
    --out) out=$2 ;;
    --build) build=$2 ;;
    --steps) steps=$2 ;;
    --seconds) seconds=$2 ;;
    --data) data=$(realpath "$2") ;;
    --pack) pack=$2 packer=pack_programs ;;
    --pack-debs) pack=$2 packer=pack_debs ;;
    --packed) packed=$2 ;;
    --limit) limit=$2 ;;
    *) usage ;;
  esac
  shift 2
done
for name in ${steps//,/ }; do
  [[ ,$all_steps,lspet, == *,$name,* ]] || { echo "on_device: '$name' is no step"; usage; }
done
# shellcheck source=bench/gpu/pack.sh
source bench/gpu/pack.sh

failed=() left=()
say() { echo "$*" | tee -a "$out/summary.txt"; }
wants() { [[ ,$steps, == *,$1,* ]]; }
# The log keeps the first 1.5 MB of each step, so that all together may travel.
step() { # NAME SECONDS COMMAND...
  local name=$1 limit_s=$2 code=0 begin=$SECONDS
  shift 2
  [ $((seconds - SECONDS)) -lt "$limit_s" ] && limit_s=$((seconds - SECONDS))
  if [ "$limit_s" -lt 20 ]; then
    left+=("$name")
    return 1
  fi
  echo "== $name: $*" | tee -a "$out/log.txt"
  timeout -k 10 "$limit_s" "$@" 2>&1 |
    awk '{size += length($0) + 1} size < 1500000 {print; fflush()}' |
    tee "$work/last.txt" >>"$out/log.txt"
  code=${PIPESTATUS[0]}
  tail -n "${lines:-3}" "$work/last.txt"
  say "   $name: exit code $code after $((SECONDS - begin)) s$([ "$code" -ne 124 ] || echo ': time was up')"
  [ "$code" -eq 0 ] || failed+=("$name ($code)")
  return "$code"
}
cores() { nproc; }
# Optional parts stay off: they are found or not by chance on such a machine.
compile() {
  [ -f "$build/build.ninja" ] ||
    step setup 180 meson setup "$build" -Dcuda=on "-Dgpu_archs=$archs" -Donnx=disabled || exit 1
  step build 2400 ninja -C "$build" -j "$(cores)" "${programs[@]}" || exit 1
}
# The machine's own GPU alone compiles fastest; a machine without one builds the default.
archs=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 | tr -d .)
archs=${archs:+sm_$archs}
[ "$archs" != sm_90 ] || archs=sm_90a
archs=${archs:-sm_90a,compute_80}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
out=$(realpath "$out")
if [ -n "$pack" ]; then
  mkdir -p "$pack"
  [ $packer = pack_debs ] || [ $do_build = 0 ] || compile
  $packer
  exit 0
fi

if [ -z "$quick" ]; then
  if ! { command -v nvidia-smi && nvidia-smi -L; } >/dev/null 2>&1; then
    echo "on_device: no GPU: nvidia-smi finds none"
    exit 4
  fi
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv |
    tee -a "$out/summary.txt"
fi
find_vendor_libraries "$work/vendor_include"
if [ -n "$packed" ]; then
  packed=$(realpath "$packed")
  if [ -f "$packed/programs.tar.xz" ]; then
    unpack_programs "$work/programs"
  else
    unpack_debs "$build-debs"
  fi
fi
[ $do_build = 0 ] || ! wants build || compile
build=$(realpath "$build")
akimbo=$build/apps/akimbo
"$akimbo" version | tee -a "$out/summary.txt"

small='*Softmax*:*Heatmap*:*Loss*:*Warp*:*Conv*:*Norm*'
test_program=$build/tests/cuda_test all='*'
[ -z "$quick" ] || test_program=$build/tests/emulated_test all='Conformance/Softmax*'
wants tests && step tests 400 env --chdir="$build" "$test_program" --gtest_brief=1 --gtest_filter="$all"
wants selftest && step selftest 200 "$akimbo" selftest --device cuda
wants selftest_vendor &&
  step selftest_vendor 200 env AKIMBO_CONV=cudnn "$akimbo" selftest --device cuda --failures

# Out-of-bounds and misaligned accesses, races between barriers, barriers that not all threads
# reach, reads of what nobody wrote; on small problems, because the tools slow kernels down by two
# orders of magnitude. AKIMBO_NO_CACHE: each block of memory is the driver's, with its own bounds.
for tool in memcheck racecheck synccheck initcheck; do
  wants $tool || continue
  if command -v compute-sanitizer >/dev/null; then
    step $tool 150 env --chdir="$build" AKIMBO_CONV=own AKIMBO_NO_CACHE=1 \
      compute-sanitizer --tool $tool --target-processes all --error-exitcode 1 \
      "$test_program" --gtest_brief=1 --gtest_filter="$small"
  else
    say "   $tool is left out: compute-sanitizer is not there"
  fi
done

for section in layers kernels networks; do
  wants $section || continue
  lines=400 step $section 300 "$build/bench/gpu_bench" $quick --only $section \
    --json "$out/$section.json"
done
if wants race; then
  if python3 -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    ours=()
    [ ! -f "$out/networks.json" ] || ours=(--ours "$out/networks.json")
    lines=60 step race 560 python3 bench/peers/race_gpu.py --build "$build" "${ours[@]}" \
      --seconds $((seconds - SECONDS < 540 ? seconds - SECONDS - 20 : 540)) --json "$out/race.json"
  else
    say "   race is left out: PyTorch with a GPU is not there"
  fi
fi
wants curves &&
  step curves 400 python3 bench/gpu/curves.py "$akimbo" $quick --json "$out/curves.json"

# pose_resnet50 on Leeds Sports Pose at 256x256, to convergence.
if wants lspet; then
  if [ -n "$data" ]; then
    step lspet 560 "$akimbo" train body2d/simple_baseline/lspet/res50_256x256 --data "$data" \
      --out "$work/lspet" --device cuda
    cp "$work/lspet/log.jsonl" "$out/lspet.jsonl"
  else
    say "   lspet is left out: pass --data DIR"
  fi
fi

[ ${#left[@]} -eq 0 ] || say "no time for: ${left[*]}"
[ ${#failed[@]} -eq 0 ] && { say "everything that ran passed; results in $out"; exit 0; }
for name in "${failed[@]}"; do say "failed: $name"; done
exit ${#failed[@]}
