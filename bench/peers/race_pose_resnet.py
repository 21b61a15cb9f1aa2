"""Races akimbo's PoseResNet against PyTorch: inference at batch 1 and 8, a training step at batch 8.

    python bench/peers/race_pose_resnet.py [--build build] [--threads 2] [--rounds 7] [--json FILE]

Every contestant is a process of its own (so that peak memory is its own) that runs once when told;
they take turns, so that noise of the machine hits all alike. PyTorch runs in both of its layouts,
with its fused Adam; ratios are against the faster. On a machine that is busy with other work,
--threads 1 and the ratio of processor times say most. Memory is the peak resident size, and that
size less what the process held before it made the network (PyTorch's libraries alone are large).
"""
import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def peer(args):
    """A PyTorch contestant: "ready", then one run per line of input."""
    sys.path.insert(0, str(ROOT / "tests" / "parity"))
    import torch
    from pose_resnet_torch import PoseResNet
    torch.set_num_threads(args.threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    torch.manual_seed(1)
    layout = torch.channels_last if args.peer == "channels_last" else torch.contiguous_format
    model = PoseResNet(args.depth).to(memory_format=layout).train(args.mode == "train")
    x = torch.rand(args.batch, 3, 256, 192).contiguous(memory_format=layout)
    target = torch.rand(args.batch, 17, 64, 48).contiguous(memory_format=layout)
    weight = torch.ones(args.batch, 17, 1, 1)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def work():
        if args.mode == "infer":
            with torch.inference_mode():
                model(x)
            return
        adam.zero_grad(set_to_none=True)
        loss = 0.5 * torch.nn.functional.mse_loss(model(x) * weight, target * weight)
        loss.backward()
        adam.step()

    work()
    work()
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() != "go":
            break
        begin, cpu_begin = time.perf_counter(), time.process_time()
        work()
        wall, cpu = time.perf_counter() - begin, time.process_time() - cpu_begin
        print(wall * 1000, cpu * 1000, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak_rss_mib": peak, "grown_mib": peak - before}), flush=True)


def start(name, args, mode, batch):
    common = ["--mode", mode, "--batch", str(batch), "--depth", str(args.depth),
              "--threads", str(args.threads)]
    if name == "akimbo":
        command = [str(pathlib.Path(args.build) / "bench" / "pose_resnet_bench"), "--serve"]
    else:
        command = [sys.executable, __file__, "--peer", name]
    process = subprocess.Popen(command + common, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    assert process.stdout.readline().strip() == "ready", f"{name} did not start"
    return process


def race(args, mode, batch):
    names = ["akimbo", "contiguous", "channels_last"]
    processes = {name: start(name, args, mode, batch) for name in names}
    times, cpu_times = {name: [] for name in names}, {name: [] for name in names}
    for _ in range(args.rounds):
        for name, process in processes.items():
            process.stdin.write("go\n")
            process.stdin.flush()
            wall, cpu = process.stdout.readline().split()
            times[name].append(float(wall))
            cpu_times[name].append(float(cpu))
    result = {"mode": mode, "batch": batch, "depth": args.depth, "threads": args.threads}
    for name, process in processes.items():
        process.stdin.write("end\n")
        process.stdin.close()
        last = json.loads(process.stdout.readline())
        last.setdefault("grown_mib", last["peak_rss_mib"])
        result[name] = {"median_ms": statistics.median(times[name]), "best_ms": min(times[name]),
                        "median_cpu_ms": statistics.median(cpu_times[name]),
                        "peak_rss_mib": last["peak_rss_mib"], "grown_mib": last["grown_mib"]}
        process.wait()
    fastest = min(names[1:], key=lambda name: result[name]["median_ms"])
    result["ratio_of_medians"] = result[fastest]["median_ms"] / result["akimbo"]["median_ms"]
    result["ratio_of_bests"] = (min(result[n]["best_ms"] for n in names[1:]) /
                                result["akimbo"]["best_ms"])
    result["ratio_of_cpu_times"] = (min(result[n]["median_cpu_ms"] for n in names[1:]) /
                                    result["akimbo"]["median_cpu_ms"])
    print(f"{mode} batch {batch}: " + "  ".join(
        f"{name} {result[name]['median_ms']:.1f} ms, {result[name]['grown_mib']:.0f} MiB"
        for name in names) + f"  ->  {result['ratio_of_medians']:.2f} times as fast "
          f"(best of each: {result['ratio_of_bests']:.2f}, processor time: "
          f"{result['ratio_of_cpu_times']:.2f})", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--json")
    parser.add_argument("--only", choices=["infer1", "infer8", "train8"])
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--mode", default="infer", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=1, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        peer(args)
        return
    results = [race(args, mode, batch)
               for mode, batch in (("infer", 1), ("infer", 8), ("train", 8))
               if args.only in (None, f"{mode}{batch}")]
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
