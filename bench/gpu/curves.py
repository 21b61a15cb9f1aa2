#!/usr/bin/env python3
"""Does training on the GPU do what it does on the CPU? On the synthetic set, with `akimbo train`:

curve   the loss of each of the first 50 steps in f32, GPU against CPU: within 1e-3
score   AP of the same training in f32 and in bf16, both on the GPU: within 0.03, the spread of
        trainings that differ in their seed alone; and the share of the time spent waiting for data
resume  a run in deterministic mode that is interrupted and resumed, against one that was not: the
        same bits in every tensor of the checkpoint

    curves.py PROGRAM [--json FILE] [--only curve,score,resume] [--device cuda] [--quick]

--quick: a network and a set so small that the emulator or a CPU gets through (--device cpu); scores
then mean nothing and are not judged. Exit code 6 when something differs. Needs Python alone.
"""
import argparse
import json
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time

CONFIG = "body2d/simple_baseline/synth/res18_128x96_demo"
CURVE_LIMIT, SCORE_LIMIT = 1e-3, 0.03


class Akimbo:
    def __init__(self, args, folder):
        self.program = str(pathlib.Path(args.program).resolve())
        self.device, self.quick, self.folder = args.device, args.quick, pathlib.Path(folder)

    def run(self, *words):
        done = subprocess.run([self.program, *map(str, words)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SystemExit(f"curves: akimbo {' '.join(map(str, words))}: exit code "
                             f"{done.returncode}\n{done.stdout[-2000:]}")

    def synth(self, name, images):
        """A set of that many pictures to train on, and some for validation."""
        val = 8 if self.quick else 200
        self.run("synth", self.folder / name, "--images", images + val, "--val", val, "--seed", 1,
                 "--people", 1, "--facing", 1)
        return self.folder / name

    def train_words(self, data, name, device, precision, epochs, *more):
        tiny = ["--set", "model.width=8", "--set", "model.deconv_filters=[8,8,8,8]"]
        return ["train", CONFIG, "--data", data, "--out", self.folder / name, "--device", device,
                "--set", f"train.precision={precision}", "--set", f"train.epochs={epochs}",
                *(tiny if self.quick else []), *more]

    def log(self, name):
        lines = (self.folder / name / "log.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]


def curve(akimbo):
    steps = 3 if akimbo.quick else 50
    data = akimbo.synth("data_curve", 8 * steps)
    losses = {}
    for name, device in (("cpu", "cpu"), ("gpu", akimbo.device)):
        # Without Winograd on the CPU, whose rounding errors are the larger ones.
        akimbo.run(*akimbo.train_words(data, "curve_" + name, device, "f32", 1, "--set",
                                       "train.log_every=1", "--deterministic", "--exact"))
        log = akimbo.log("curve_" + name)
        losses[name] = [e["loss"] for e in log if e["event"] == "train"]
        ran_on = next(e["device"] for e in log if e["event"] == "begin")
        if (ran_on == "cpu") != (device == "cpu"):
            raise SystemExit(f"curves: asked for {device}, the log says {ran_on}")
    differences = [abs(a - b) / b for a, b in zip(losses["gpu"], losses["cpu"])]
    return {"steps": len(differences), "cpu": losses["cpu"], "gpu": losses["gpu"],
            "largest_difference": max(differences), "limit": CURVE_LIMIT,
            "passed": len(differences) == steps and max(differences) <= CURVE_LIMIT}


def score(akimbo):
    data = akimbo.synth("data_score", 24 if akimbo.quick else 9600)
    precisions = ["f32"] if akimbo.device == "cpu" else ["f32", "bf16"]
    result = {"limit": SCORE_LIMIT}
    for precision in precisions:
        name, begin = "score_" + precision, time.time()
        akimbo.run(*akimbo.train_words(data, name, akimbo.device, precision,
                                       1 if akimbo.quick else 4))
        seconds = time.time() - begin
        out = akimbo.folder / name / "eval"
        akimbo.run("eval", akimbo.folder / name / "checkpoint_best.safetensors", "--data", data,
                   "--flip", "--device", akimbo.device, "--out", out)
        times = [e["seconds"] for e in akimbo.log(name) if e["event"] == "time"]
        total = sum(t["total"] for t in times)
        result[precision] = {"AP": json.loads((out / "metrics.json").read_text())["AP"],
                             "seconds": seconds, "training_seconds": total,
                             "waiting_for_data": sum(t["wait"] for t in times) / total}
    if len(precisions) == 2:
        result["difference"] = result["bf16"]["AP"] - result["f32"]["AP"]
        result["passed"] = akimbo.quick or abs(result["difference"]) <= SCORE_LIMIT
    else:
        result["passed"] = True
    return result


def tensors(path):
    """The bytes of every tensor by name; the metadata around them holds times."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    header.pop("__metadata__")
    return {name: content[8 + size + entry["data_offsets"][0]:8 + size + entry["data_offsets"][1]]
            for name, entry in header.items()}


def resume(akimbo):
    data = akimbo.synth("data_resume", 24 if akimbo.quick else 1600)

    def words(name):
        return akimbo.train_words(data, name, akimbo.device, "f32", 3 if akimbo.quick else 2,
                                  "--deterministic", "--set", "train.log_every=1")
    akimbo.run(*words("whole"))
    process = subprocess.Popen([akimbo.program, *map(str, words("stopped"))],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wanted = 2 if akimbo.quick else 60
    while process.poll() is None:
        log = akimbo.folder / "stopped" / "log.jsonl"
        if log.exists() and log.read_text().count('"event":"train"') >= wanted:
            process.send_signal(signal.SIGINT)
            break
        time.sleep(0.02)
    code = process.wait()
    stopped_at = max(e["step"] for e in akimbo.log("stopped") if e["event"] == "train")
    if code == 130:
        akimbo.run(*words("stopped"), "--resume")
    whole = tensors(akimbo.folder / "whole" / "checkpoint_last.safetensors")
    resumed = tensors(akimbo.folder / "stopped" / "checkpoint_last.safetensors")
    different = [name for name in whole if whole[name] != resumed.get(name)]
    return {"interrupted": code == 130, "stopped_after_steps": stopped_at,
            "tensors": len(whole), "different": different[:20],
            "passed": code == 130 and not different and len(whole) == len(resumed)}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--json")
    parser.add_argument("--only", default="curve,score,resume")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    parts = {"curve": curve, "score": score, "resume": resume}
    results = {"device": args.device, "quick": args.quick}
    with tempfile.TemporaryDirectory() as folder:
        akimbo = Akimbo(args, folder)
        for name in args.only.split(","):
            results[name] = parts[name](akimbo)
            shown = {k: v for k, v in results[name].items() if not isinstance(v, list)}
            print(f"{name}: {'pass' if results[name]['passed'] else 'DIFFERS'} {shown}", flush=True)
            if args.json:
                pathlib.Path(args.json).write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(0 if all(results[name]["passed"] for name in args.only.split(",")) else 6)


if __name__ == "__main__":
    main()
