"""Keeps the figures of `akimbo bench --json` by commit, and names what became slower.

    python bench/history.py add HISTORY.jsonl RESULT.json... [--commit NAME]
    python bench/history.py compare HISTORY.jsonl OLD NEW [--threshold 0.05]

HISTORY.jsonl has one JSON object a line: {"commit", "date", "result"}, the result being the file of
`akimbo bench`. Results of one model, input, threads, precision and device are compared: the median
time, the peak memory, and the time of each layer that takes at least 1 % of the whole. `compare`
ends with exit code 1 when something is worse by more than the threshold. The latest result of a
commit counts. Machines drift: add both commits' results on the same machine on the same day.
"""
import argparse
import datetime
import json
import pathlib
import subprocess
import sys

KEY = ("model", "device", "device_name", "threads", "precision", "winograd", "input")


def current_commit():
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=True, capture_output=True,
                          text=True).stdout.strip()


def add(args):
    commit = args.commit or current_commit()
    with open(args.history, "a", encoding="utf-8") as out:
        for path in args.results:
            result = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
            missing = [key for key in KEY + ("median_ms",) if key not in result]
            if missing:
                sys.exit(f"{path}: no {', '.join(missing)}; give a file of `akimbo bench --json`")
            out.write(json.dumps({"commit": commit, "date": datetime.date.today().isoformat(),
                                  "result": result}) + "\n")


def results_of(history, commit):
    found = {}
    for number, line in enumerate(history.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
            if entry["commit"] == commit:
                result = entry["result"]
                found[json.dumps([result[key] for key in KEY])] = result
        except (ValueError, KeyError, TypeError) as error:
            sys.exit(f"{history}:{number}: not a line of a history ({error})")
    if not found:
        sys.exit(f"{history} has no result of commit {commit}")
    return found


def figures(result):
    values = {"median_ms": result["median_ms"], "peak_memory_mib": result["peak_memory_mib"]}
    for step in result.get("profile", {}).get("steps", []):
        ms = 1000 * step["seconds"]
        if ms >= 0.01 * result["median_ms"]:
            values[step["name"]] = ms
    return values


def compare(args):
    history = pathlib.Path(args.history)
    old, new = results_of(history, args.old), results_of(history, args.new)
    worse = 0
    for key in sorted(old.keys() & new.keys()):
        before, after = figures(old[key]), figures(new[key])
        print(f"{new[key]['model']} batch {new[key]['input'][0]}, {new[key]['threads']} threads: "
              f"{before['median_ms']:.2f} -> {after['median_ms']:.2f} ms")
        for name in before.keys() & after.keys():
            ratio = after[name] / before[name]
            if ratio > 1 + args.threshold:
                worse += 1
                print(f"  WORSE by {100 * (ratio - 1):.0f} %: {name} {before[name]:.3f} -> "
                      f"{after[name]:.3f}")
    if not old.keys() & new.keys():
        sys.exit(f"{args.old} and {args.new} have no setting in common")
    print(f"{worse} figures worse by more than {100 * args.threshold:.0f} %")
    sys.exit(1 if worse else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    adding = commands.add_parser("add")
    adding.add_argument("history")
    adding.add_argument("results", nargs="+")
    adding.add_argument("--commit")
    adding.set_defaults(run=add)
    comparing = commands.add_parser("compare")
    comparing.add_argument("history")
    comparing.add_argument("old")
    comparing.add_argument("new")
    comparing.add_argument("--threshold", type=float, default=0.05)
    comparing.set_defaults(run=compare)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
