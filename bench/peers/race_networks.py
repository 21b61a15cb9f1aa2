"""Races akimbo's networks against PyTorch, ONNX Runtime and OpenVINO: inference at batch 1 and 8, a
training step at batch 8.

    python bench/peers/race_networks.py [--build build] [--threads 2] [--rounds 7] [--json FILE]
        [--models pose_resnet:depth=50 pose_hrnet:width=32] [--modes infer1 infer8 train8]
        [--peers contiguous channels_last compile onnxruntime openvino] [--precision bf16] [--burst 4]

Every contestant is a process of its own (so that peak memory is its own) that runs once when told;
they take turns, so that noise of the machine hits all alike; ratios are against the fastest. With
one run a turn it begins with cold caches, as for a single picture after a pause; with a --burst the
first run warms them, as for one picture after another.
PyTorch runs in both of its layouts and compiled, with its fused Adam in training; ONNX Runtime and
OpenVINO (inference only, f32 asked for) get the network through PyTorch's ONNX exporter. With
--precision bf16 inference is raced in bf16: akimbo's --bf16, PyTorch's autocast, OpenVINO's
INFERENCE_PRECISION_HINT (ONNX Runtime has no bf16 on the CPU), and "akimbo_f32" runs beside. On a
machine that is busy with other work, --threads 1 and the ratio of processor times say most. Memory
is the peak resident size, and that size less what the process held before it made the network.
"""
import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ["contiguous", "channels_last", "compile", "onnxruntime", "openvino"]
SIZES = {"pose_hrnet:width=48": (384, 288)}  # others 256x192


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def torch_network(name):
    sys.path.insert(0, str(ROOT / "tests" / "parity"))
    kind, option = name.split(":")
    value = int(option.split("=")[1])
    if kind == "pose_resnet":
        from pose_resnet_torch import PoseResNet
        return PoseResNet(value)
    from pose_hrnet_torch import PoseHRNet
    return PoseHRNet(value)


def torch_work(args):
    import torch
    torch.set_num_threads(args.threads)
    before = peak_mib()
    torch.manual_seed(1)
    layout = torch.contiguous_format if args.peer == "contiguous" else torch.channels_last
    model = torch_network(args.model).to(memory_format=layout).train(args.mode == "train")
    height, width = SIZES.get(args.model, (256, 192))
    x = torch.rand(args.batch, 3, height, width).contiguous(memory_format=layout)
    run = torch.compile(model) if args.peer == "compile" else model
    if args.mode == "infer":
        def infer():
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16,
                                                        enabled=args.precision == "bf16"):
                run(x)
        return infer, before
    target = torch.rand(args.batch, 17, height // 4, width // 4).contiguous(memory_format=layout)
    weight = torch.ones(args.batch, 17, 1, 1)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def train():
        adam.zero_grad(set_to_none=True)
        loss = 0.5 * torch.nn.functional.mse_loss(run(x) * weight, target * weight)
        loss.backward()
        adam.step()
    return train, before


def onnx_work(args):
    import numpy
    height, width = SIZES.get(args.model, (256, 192))
    x = numpy.random.default_rng(1).random((args.batch, 3, height, width), dtype=numpy.float32)
    before = peak_mib()
    if args.peer == "onnxruntime":
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.threads
        session = onnxruntime.InferenceSession(args.onnx, options,
                                               providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda: session.run(None, {name: x}), before
    import openvino
    core = openvino.Core()
    model = core.compile_model(core.read_model(args.onnx), "CPU", {
        "INFERENCE_NUM_THREADS": args.threads, "INFERENCE_PRECISION_HINT": args.precision,
        "PERFORMANCE_HINT": "LATENCY"})
    request = model.create_infer_request()
    return lambda: request.infer([x]), before


def peer(args):
    """A contestant: "ready", then one run per line of input."""
    work, before = (onnx_work if args.onnx else torch_work)(args)
    for _ in range(3):
        work()
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() != "go":
            break
        begin, cpu_begin = time.perf_counter(), time.process_time()
        work()
        wall, cpu = time.perf_counter() - begin, time.process_time() - cpu_begin
        print(wall * 1000, cpu * 1000, flush=True)
    print(json.dumps({"peak_rss_mib": peak_mib(), "grown_mib": peak_mib() - before}), flush=True)


def export(args):
    import torch
    height, width = SIZES.get(args.model, (256, 192))
    torch.onnx.export(torch_network(args.model).eval(), torch.rand(args.batch, 3, height, width),
                      args.onnx, dynamo=False, opset_version=17)


def start(name, args, model, mode, batch, onnx):
    common = ["--model", model, "--mode", mode, "--batch", str(batch),
              "--threads", str(args.threads)]
    if name.startswith("akimbo"):
        height, width = SIZES.get(model, (256, 192))
        command = [str(pathlib.Path(args.build) / "bench" / "network_bench"), "--serve",
                   "--height", str(height), "--width", str(width)]
        if name == "akimbo" and args.precision == "bf16":
            command.append("--bf16")
    else:
        command = [sys.executable, __file__, "--peer", name, "--precision", args.precision]
        if name in ("onnxruntime", "openvino"):
            command += ["--onnx", onnx]
    process = subprocess.Popen(command + common, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    assert process.stdout.readline().strip() == "ready", f"{name} did not start"
    return process


def turns(processes, rounds, burst):
    times = {name: [] for name in processes}
    cpu_times = {name: [] for name in processes}
    for _ in range(rounds):
        for name, process in processes.items():
            time.sleep(0.3)  # until the one before has stopped spinning
            for run in range(burst):
                process.stdin.write("go\n")
                process.stdin.flush()
                wall, cpu = process.stdout.readline().split()
                if run > 0 or burst == 1:
                    times[name].append(float(wall))
                    cpu_times[name].append(float(cpu))
    return times, cpu_times


def race(args, model, mode, batch, folder):
    peers = [p for p in args.peers if mode == "infer" or p not in ("onnxruntime", "openvino")]
    if args.precision == "bf16":
        peers = ["akimbo_f32"] + [p for p in peers if p != "onnxruntime"]
    names = ["akimbo"] + peers
    onnx = str(pathlib.Path(folder) / f"{model.replace(':', '_')}_{batch}.onnx")
    if {"onnxruntime", "openvino"} & set(names) and not pathlib.Path(onnx).exists():
        subprocess.run([sys.executable, __file__, "--export", "--onnx", onnx, "--model", model,
                        "--batch", str(batch)], check=True, capture_output=True)
    processes = {name: start(name, args, model, mode, batch, onnx) for name in names}
    times, cpu_times = turns(processes, args.rounds, args.burst)
    result = {"model": model, "mode": mode, "batch": batch, "threads": args.threads,
              "precision": args.precision}
    for name, process in processes.items():
        process.stdin.write("end\n")
        process.stdin.close()
        last = json.loads(process.stdout.readline())
        last.setdefault("grown_mib", last["peak_rss_mib"])
        result[name] = {"median_ms": statistics.median(times[name]), "best_ms": min(times[name]),
                        "median_cpu_ms": statistics.median(cpu_times[name]),
                        "peak_rss_mib": last["peak_rss_mib"], "grown_mib": last["grown_mib"]}
        process.wait()
    for key in ("median_ms", "best_ms", "median_cpu_ms"):
        fastest = min((n for n in peers if n != "akimbo_f32"), key=lambda name: result[name][key])
        result[f"ratio_{key}"] = result[fastest][key] / result["akimbo"][key]
        result[f"fastest_{key}"] = fastest
    if "akimbo_f32" in result:
        result["ratio_f32"] = result["akimbo_f32"]["median_ms"] / result["akimbo"]["median_ms"]
        print(f"{result['ratio_f32']:.2f} times as fast as in f32; ", end="")
    print(f"{model} {mode} batch {batch}: " + "  ".join(
        f"{name} {result[name]['median_ms']:.1f} ms, {result[name]['grown_mib']:.0f} MiB"
        for name in names) + f"  ->  {result['ratio_median_ms']:.2f} times as fast as "
          f"{result['fastest_median_ms']} (best of each: {result['ratio_best_ms']:.2f}, processor "
          f"time: {result['ratio_median_cpu_ms']:.2f})", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--burst", type=int, default=1,
                        help="runs of a turn, of which the first is not counted; 1: it is")
    parser.add_argument("--json")
    parser.add_argument("--models", nargs="+",
                        default=["pose_resnet:depth=50", "pose_hrnet:width=32"])
    parser.add_argument("--modes", nargs="+", default=["infer1", "infer8", "train8"])
    parser.add_argument("--peers", nargs="*", default=PEERS, choices=PEERS)
    parser.add_argument("--exports", help="a folder where exported networks stay for the next race")
    parser.add_argument("--precision", default="f32", choices=["f32", "bf16"])
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--export", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--onnx", help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    parser.add_argument("--mode", default="infer", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=1, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.export:
        export(args)
    elif args.peer:
        peer(args)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            results = [race(args, model, mode.rstrip("0123456789"), int(mode.lstrip("infertra")),
                            args.exports or scratch) for model in args.models for mode in args.modes]
        if args.json:
            pathlib.Path(args.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
