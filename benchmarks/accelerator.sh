#!/usr/bin/env bash
# Everything that is worth knowing of a machine with one accelerator, in at most 10 minutes, as a table in Markdown.
#
#     benchmarks/accelerator.sh [--small] [--out FOLDER] [IMAGES]
#
# IMAGES holds CIFAR-10 as files, train/CLASS and test/CLASS; without it no network is trained.  --small runs each stage in
# a size that two CPU cores finish in about two minutes, to see that the script works; its numbers mean nothing.
# $PYTHON is the interpreter (python).  What each stage prints, and the table, lie in FOLDER (results/accelerator).
#
# Goals: certified trials within 5 times the arithmetic floor; a training step no slower than compiled PyTorch.
# images.json and large.json have rates that a plan reads: python -m real_data plan --rates FOLDER/large.json
# A stage that fails, runs out of its time or lacks a package is said in the table; the others run all the same.
set -u

root=$(cd "$(dirname "$0")/.." && pwd) || exit 2
python=${PYTHON:-python} small='' out=$root/results/accelerator images=''
while [ $# -gt 0 ]; do
  case $1 in
    --small) small=yes ;;
    --out) out=${2:?--out needs a folder} && shift ;;
    -*) echo "$0: unknown option $1; see the top of this file" >&2 && exit 2 ;;
    *) images=$1 ;;
  esac
  shift
done
if [ -n "$images" ] && ! [ -d "$images/train" ]; then
  echo "$0: no folder $images/train" >&2 && exit 2
fi
mkdir -p "$out" && out=$(realpath "$out") && images=${images:+$(realpath "$images")} || exit 2
cd "$root" || exit 2
rm -rf "$out"/{stages.tsv,tests.xml,throughput.json,images.json,large.json,training,*.log}

export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
export XLA_PYTHON_CLIENT_PREALLOCATE=false # PyTorch, and tests that start processes, need memory of the same device

# stage NAME SECONDS "MODULES IT NEEDS" COMMAND...
stage() {
  local name=$1 limit=$2 needs=$3 begin=$SECONDS missing status
  shift 3
  missing=$("$python" -c 'import sys; from importlib.util import find_spec
print(*[name for name in sys.argv[1:] if find_spec(name) is None])' $needs)
  if [ -n "$missing" ]; then
    status="skipped, not installed: $missing"
  else
    echo "$name (at most $limit s)"
    timeout --signal=INT --kill-after=8 "$limit" "$@" > "$out/$name.log" 2>&1
    case $? in
      0) status=done ;;
      124 | 137) status="stopped after its $limit s" ;;
      *) status="failed: $(tail -n 1 "$out/$name.log" | cut -c 1-150)" ;;
    esac
  fi
  printf '%s\t%s\t%s\n' "$name" "$status" "$((SECONDS - begin))" >> "$out/stages.tsv"
  echo "  $status"
}

# fast files whose work is done on the device
tests="tests/real_data/test_el2n.py tests/real_data/test_augmentation.py"
throughput="--sizes 50 --seconds 1"
step="--batch 8 --rounds 1"
large=(--network vit-ti --image-size 32 --batch 8 --rounds 1)
training="--model.width 0.1 --training.num-epochs 2 --training.batch-size 32"
limits=(120 120 120 120 120)
if [ -z "$small" ]; then
  tests="$tests tests/real_data/test_gradient_norm.py tests/real_data/test_residual_networks.py
    tests/simulations/test_ensemble.py tests/simulations/test_interior_point.py
    tests/simulations/test_students_against_theory.py"
  throughput="--sizes 100 200 500 --seconds 5"
  step="--batch 512 --rounds 10"
  large=(--network vit-b resnet50 --image-size 224 --batch 128 --rounds 3 --work "training step" EL2N)
  # the recipe's 200 epochs of batch 128 cut to 12 of 512, the rate raised with the batch
  training="--training.num-epochs 12 --training.batch-size 512 --training.learning-rate 0.4 --training.warmup 0.2"
  limits=(80 90 150 85 145)
elif [ -z "$images" ]; then
  images=$out/pictures # red and blue noise
  "$python" -c 'import sys, pathlib, numpy as np; from PIL import Image
rng = np.random.default_rng(0)
for part, count in (("train", 40), ("test", 20)):
    for channel, colour in ((0, "red"), (2, "blue")):
        folder = pathlib.Path(sys.argv[1], part, colour); folder.mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = rng.integers(0, 128, (32, 32, 3), np.uint8); pixels[..., channel] += 127
            Image.fromarray(pixels).save(folder / f"{i}.png")' "$images"
fi

ours="jax flax optax lazy_loader scipy"
workers=$("$python" -c 'import os; from importlib.util import find_spec
print(f"-n {min(8, os.cpu_count())}" if find_spec("xdist") else "")')
# what tests compare with is computed in float32 as well, which is not every device's default
stage tests "${limits[0]}" "$ours pytest hypothesis" \
  env JAX_DEFAULT_MATMUL_PRECISION=highest "$python" -m pytest -v --tb=short -p no:cacheprovider -p no:benchmark $workers --junitxml="$out/tests.xml" $tests
stage throughput "${limits[1]}" "$ours threadpoolctl" \
  "$python" benchmarks/throughput.py $throughput --json "$out/throughput.json"
stage images "${limits[2]}" "$ours" "$python" benchmarks/images.py $step --json "$out/images.json"
stage large "${limits[4]}" "$ours" "$python" benchmarks/images.py "${large[@]}" --json "$out/large.json"
if [ -n "$images" ]; then
  stage training "${limits[3]}" "$ours PIL tyro xarray tqdm" \
    "$python" -m real_data train --dataset folder --path "$images" --recipe resnet18-cifar10 $training \
    --out "$out/training" --quiet
fi
"$python" benchmarks/accelerator_table.py "$out" | tee "$out/table.md"
