#!/usr/bin/env python3
"""Races conv_bench against PyTorch (oneDNN) layer by layer: alternating runs, medians, equal threads.

PyTorch runs each layer in both of its layouts and the faster one counts. Forward is timed without
gradient mode; the two gradients are timed apart, through aten::convolution_backward.

    race_conv.py build/bench/conv_bench [--filter forward/batch1] [--rounds 3] [--threads 2]
    race_conv.py ... --threads 1 --clock thread     on a machine that is busy with other work
"""
import argparse
import json
import statistics
import subprocess
import time

import torch


CLOCKS = {"wall": time.perf_counter, "thread": time.thread_time}


def run_ours(args):
    command = [args.bench, f"--threads={args.threads}", f"--clock={args.clock}",
               f"--benchmark_filter={args.filter}", "--benchmark_min_time=0.1",
               "--benchmark_format=json"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = json.loads(out)["benchmarks"]
    return {r["name"].removesuffix("/manual_time"): r for r in rows}


def median_ms(f, clock, seconds=0.1):
    f()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = clock()
        f()
        times.append(clock() - start)
    return 1e3 * statistics.median(times)


def torch_call(which, label, layout):
    n, h, w, i, o, k, s, transposed = map(int, label.split(","))
    pad = 1 if transposed else (k - 1) // 2
    x = torch.rand(n, i, h, w).to(memory_format=layout)
    weight = torch.rand((i, o, k, k) if transposed else (o, i, k, k)).to(memory_format=layout)
    options = (None, [s, s], [pad, pad], [1, 1], bool(transposed), [0, 0], 1)
    y = torch.ops.aten.convolution(x, weight, *options)
    if which == "forward":
        return lambda: torch.ops.aten.convolution(x, weight, *options)
    mask = [which == "input_grad", which == "weight_grad", False]
    return lambda: torch.ops.aten.convolution_backward(y, x, weight, *options, mask)


def run_torch(rows, clock):
    result = {}
    for name, row in rows.items():
        which = name.split("/")[0]
        result[name] = min(median_ms(torch_call(which, row["label"], layout), clock)
                           for layout in (torch.contiguous_format, torch.channels_last))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench")
    parser.add_argument("--filter", default=".*")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=CLOCKS, default="wall",
                        help="thread: processor time; with --threads 1, on a busy machine")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    ours, theirs = {}, {}
    with torch.no_grad():
        for _ in range(args.rounds):
            rows = run_ours(args)
            for name, row in rows.items():
                ours.setdefault(name, []).append((row["real_time"] * 1e-6, row["share"]))
            for name, ms in run_torch(rows, CLOCKS[args.clock]).items():
                theirs.setdefault(name, []).append(ms)

    print(f"{'layer':48} {'ours ms':>9} {'torch ms':>9} {'ratio':>6} {'of peak':>8}")
    total_ours = total_theirs = 0.0
    for name in ours:
        ms = statistics.median(t for t, _ in ours[name])
        share = statistics.median(s for _, s in ours[name])
        peer = statistics.median(theirs[name])
        total_ours += ms
        total_theirs += peer
        print(f"{name:48} {ms:9.3f} {peer:9.3f} {peer / ms:6.2f} {share:8.3f}")
    print(f"{'sum':48} {total_ours:9.3f} {total_theirs:9.3f} {total_theirs / total_ours:6.2f}")


if __name__ == "__main__":
    main()
