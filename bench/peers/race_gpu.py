"""Races akimbo on a GPU against PyTorch: whole networks, inference and training, in one call.

    python bench/peers/race_gpu.py [--build build] [--networks resnet50,hrnet_w32]
                                   [--batches 1,64,256] [--rounds 30] [--json FILE]
                                   [--ours FILE] [--seconds N]

--ours takes what `gpu_bench --only networks --json` wrote in place of running it. Beyond --seconds
nothing is begun: eager contestants come first, then compiled ones, whose compilation takes minutes;
the file is written after each. Each ratio stands beside its target.

PyTorch runs channels_last under bf16 autocast, eagerly and through torch.compile, with its fused
Adam; akimbo is build/bench/gpu_bench. Every contestant is a process of its own, so that its peak of
device memory is its own; times are medians of device events, inputs are random. Exit code 4: no
PyTorch, or no GPU for it.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUR_NAMES = {"resnet50": "pose_resnet50", "hrnet_w32": "pose_hrnet_w32"}


def make_network(name):
    sys.path.insert(0, str(ROOT / "tests" / "parity"))
    if name == "resnet50":
        from pose_resnet_torch import PoseResNet
        return PoseResNet(50)
    from pose_hrnet_torch import PoseHRNet
    return PoseHRNet(32)


def peer(args):
    """One PyTorch contestant: prints one JSON object."""
    import torch
    torch.manual_seed(1)
    torch.backends.cudnn.benchmark = True
    train = args.mode == "train"
    model = make_network(args.network).cuda().to(memory_format=torch.channels_last).train(train)
    batch = args.batch
    x = torch.randn(batch, 3, 256, 192, device="cuda").contiguous(memory_format=torch.channels_last)
    target = torch.rand(batch, 17, 64, 48, device="cuda")
    target = target.contiguous(memory_format=torch.channels_last)
    weight = torch.ones(batch, 17, 1, 1, device="cuda")
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    network = torch.compile(model) if args.peer == "compile" else model

    def work():
        if not train:
            with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
                return network(x)
        adam.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16):
            y = network(x)
        loss = 0.5 * torch.nn.functional.mse_loss(y.float() * weight, target * weight)
        loss.backward()
        adam.step()
        return loss

    for _ in range(5):
        last = work()
    torch.cuda.synchronize()
    if not torch.isfinite(last).all():
        raise SystemExit("the peer's result is not finite")
    torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(args.rounds):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    print(json.dumps({"median_ms": statistics.median(times),
                      "low_ms": sorted(times)[len(times) // 10],
                      "high_ms": sorted(times)[-1 - len(times) // 10],
                      "images_per_s": 1000 * batch / statistics.median(times),
                      "peak_mib": torch.cuda.max_memory_allocated() / 2**20}), flush=True)


def run_peer(name, network, mode, batch, args):
    left = args.seconds - (time.monotonic() - args.begin)
    if left < 20:
        return {"failed": "left out: time is up (--seconds)"}
    command = [sys.executable, __file__, "--peer", name, "--network", network, "--mode", mode,
               "--batch", str(batch), "--rounds", str(args.rounds)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=left)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {left:.0f} s"}
    if done.returncode != 0:
        return {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_ours(args):
    """Medians of gpu_bench by (network, mode, batch, way)."""
    if args.ours:
        report = json.loads(pathlib.Path(args.ours).read_text())
        return report, {(row["name"], row["pass"]): row for row in report["rows"]}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "ours.json"
        command = [str(pathlib.Path(args.build) / "bench" / "gpu_bench"), "--only", "networks",
                   "--json", str(path)]
        code = subprocess.run(command).returncode
        if not path.exists():
            raise SystemExit(code or 1)
        report = json.loads(path.read_text())
    return report, {(row["name"], row["pass"]): row for row in report["rows"]}


def ratio(theirs, ours):
    return theirs["median_ms"] / ours if "median_ms" in theirs and ours else None


def targets(network, mode, batch, contestant):
    """What is asked against a contestant: least ratio of speed, largest of peak memory, or None."""
    if mode == "train" and 64 <= batch <= 256:
        speed = {("resnet50", "eager"): 1.6, ("resnet50", "compile"): 1.4,
                 ("hrnet_w32", "eager"): 2.0, ("hrnet_w32", "compile"): 1.6}[network, contestant]
        return speed, 0.6 if contestant == "eager" else None
    if mode == "infer" and batch == 1 and contestant == "eager":
        return 8, None
    if mode == "infer" and batch >= 128 and contestant == "compile":
        return 1.3, None
    return None, None


def verdict(value, wanted, at_most=False):
    if value is None or wanted is None:
        return ""
    reached = value <= wanted if at_most else value >= wanted
    return f" [{'pass' if reached else 'SHORT'}: wanted {'<=' if at_most else '>='} {wanted}]"


def race(contestant, network, mode, batch, ours, args):
    """One contestant against ours, our replayed graph; training as `akimbo train` runs it, in lanes."""
    name = f"{OUR_NAMES[network]} {'inference' if mode == 'infer' else 'training'}, batch {batch}"
    row = ours.get((name, "lanes"), {})
    if "own" not in row:
        row = ours.get((name, "graph"), {})
    milliseconds = row["own"]["median_us"] / 1000 if "own" in row else None
    theirs = run_peer(contestant, network, mode, batch, args)
    speed = ratio(theirs, milliseconds)
    memory = (row["peak_mib"] / theirs["peak_mib"]
              if row.get("peak_mib") and theirs.get("peak_mib") else None)
    wanted_speed, wanted_memory = targets(network, mode, batch, contestant)

    def shown(value, unit=""):
        return "-" if value is None else f"{value:.2f}{unit}"
    print(f"{name}: akimbo {shown(milliseconds, ' ms')}, PyTorch {contestant} "
          f"{shown(theirs.get('median_ms'), ' ms')} {theirs.get('failed', '')}: "
          f"{shown(speed)} times as fast{verdict(speed, wanted_speed)}, "
          f"{shown(memory)} of its memory{verdict(memory, wanted_memory, True)}", flush=True)
    return {"network": network, "mode": mode, "batch": batch, "contestant": contestant,
            "akimbo_ms": milliseconds, "akimbo_peak_mib": row.get("peak_mib"), "torch": theirs,
            "times_as_fast": speed, "wanted_times_as_fast": wanted_speed,
            "share_of_memory": memory, "wanted_share_of_memory": wanted_memory}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--networks", default="resnet50,hrnet_w32")
    parser.add_argument("--batches", default="1,64,256")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json")
    parser.add_argument("--ours", help="a report of gpu_bench, in place of a run of it")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--peer", choices=["eager", "compile"], help=argparse.SUPPRESS)
    parser.add_argument("--network", default="resnet50", help=argparse.SUPPRESS)
    parser.add_argument("--mode", default="infer", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=1, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.begin = time.monotonic()
    if args.peer:
        peer(args)
        return
    try:
        import torch
    except ImportError:
        print("race_gpu: PyTorch is not installed", file=sys.stderr)
        raise SystemExit(4)
    if not torch.cuda.is_available():
        print("race_gpu: PyTorch finds no GPU", file=sys.stderr)
        raise SystemExit(4)
    report, ours = run_ours(args)
    cases = [(network, mode, batch) for network in args.networks.split(",")
             for batch in map(int, args.batches.split(","))
             for mode in (["infer", "train"] if batch > 1 else ["infer"])]
    # Compiled ones in the order of their targets' weight: training at the smaller batch first.
    compiled = sorted((c for c in cases if targets(*c, "compile")[0]),
                      key=lambda c: (c[2], c[1] != "train"))
    everything = {"torch": torch.__version__, "device": torch.cuda.get_device_name(),
                  "races": [], "akimbo": report}
    for contestant, chosen in (("eager", cases), ("compile", compiled)):
        for case in chosen:
            everything["races"].append(race(contestant, *case, ours, args))
            if args.json:
                pathlib.Path(args.json).write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
