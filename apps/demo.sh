#!/usr/bin/env bash
# The demo behind ./dev demo: synthetic people, a small network trained on them for a few minutes,
# its score on unseen pictures, and its poses drawn.  demo.sh PROGRAM [FOLDER]
set -euo pipefail
akimbo=$1
out=${2:-out/demo}
config=apps/configs/body2d/simple_baseline/synth/res18_128x96_demo.json

rm -rf "$out"
mkdir -p "$out"
echo "== 1/4 pictures of synthetic people"
"$akimbo" synth "$out/data" --images 9600 --val 200 --seed 1 --people 1 --facing 1
echo "== 2/4 training (under 5 minutes on 2 cores)"
"$akimbo" train "$config" --data "$out/data" --out "$out/run"
echo "== 3/4 score on pictures that the network has not seen"
"$akimbo" eval "$out/run/checkpoint_best.safetensors" --data "$out/data" --flip --out "$out/eval" \
  --require AP=0.70
echo "== 4/4 drawings"
"$akimbo" predict "$out/run/checkpoint_best.safetensors" "$out/data/images/val" \
  --annotations "$out/data/annotations/person_keypoints_val.json" --out "$out/drawn" --heatmaps
echo
echo "pictures: $out/drawn    model: $out/run/checkpoint_best.safetensors"
echo "figures:  $out/eval/metrics.json    training: $out/run/log.jsonl"
