"""Races akimbo on a GPU against PyTorch: whole networks, inference and training, in one call.

    python bench/peers/race_gpu.py [--build build] [--networks resnet50,hrnet_w32]
                                   [--batches 1,64,256] [--rounds 30] [--json FILE]

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
    command = [sys.executable, __file__, "--peer", name, "--network", network, "--mode", mode,
               "--batch", str(batch), "--rounds", str(args.rounds)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_ours(args):
    """Medians of gpu_bench by (network, mode, batch, way)."""
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


def race(network, mode, batch, ours, args):
    name = f"{OUR_NAMES[network]} {'inference' if mode == 'infer' else 'training'}, batch {batch}"
    result = {"network": network, "mode": mode, "batch": batch}
    for way in ("eager", "graph", "lanes"):  # training as it comes is in lanes
        row = ours.get((name, way), {})
        result[f"akimbo_{way}_ms"] = row["own"]["median_us"] / 1000 if "own" in row else None
        result[f"akimbo_{way}_peak_mib"] = row.get("peak_mib")
    ours_ms = result["akimbo_lanes_ms"] or result["akimbo_graph_ms"]
    for contestant in ("eager", "compile"):
        theirs = run_peer(contestant, network, mode, batch, args)
        result[f"torch_{contestant}"] = theirs
        result[f"times_as_fast_as_{contestant}"] = ratio(theirs, ours_ms)

    def shown(value, unit=""):
        return "-" if value is None else f"{value:.2f}{unit}"
    print(f"{name}: akimbo {shown(ours_ms, ' ms')}, "
          f"graph of one lane {shown(result['akimbo_graph_ms'], ' ms')}, "
          f"eager {shown(result['akimbo_eager_ms'], ' ms')}; PyTorch "
          + ", ".join(f"{c} {shown(result[f'torch_{c}'].get('median_ms'), ' ms')} "
                      f"({shown(result[f'times_as_fast_as_{c}'], 'x')})"
                      for c in ("eager", "compile")), flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--networks", default="resnet50,hrnet_w32")
    parser.add_argument("--batches", default="1,64,256")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json")
    parser.add_argument("--peer", choices=["eager", "compile"], help=argparse.SUPPRESS)
    parser.add_argument("--network", default="resnet50", help=argparse.SUPPRESS)
    parser.add_argument("--mode", default="infer", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=1, help=argparse.SUPPRESS)
    args = parser.parse_args()
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
    results = []
    for network in args.networks.split(","):
        for batch in map(int, args.batches.split(",")):
            results.append(race(network, "infer", batch, ours, args))
            if batch > 1:
                results.append(race(network, "train", batch, ours, args))
    if args.json:
        everything = {"torch": torch.__version__, "device": torch.cuda.get_device_name(),
                      "races": results, "akimbo": report}
        pathlib.Path(args.json).write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
