"""What benchmarks/gpu/table.py makes of a run that went well, one that was cut short, and one with nothing but PyTorch's figures.

usage: gpu_table.py TABLE.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

TIMED = {"name": "rms_norm/forward/8 x 4", "op": "rms_norm", "seconds": 2e-6, "rate": 1500.4, "unit": "GB/s", "share_of_ceiling": 0.5}
STEP = {"name": "step/llama/bf16", "op": "step", "sizes": {"pairs": 4}, "seconds": 0.5, "recorded_seconds": 0.25, "peak_bytes": 2**31,
        "estimate_bytes": 2**30, "pairs_per_second": 8, "tokens_per_second": 4096, "rate": 200, "share_of_ceiling": 0.25}
DEVICE = {"device": "A Device (80 GB)", "product_tflops": 700, "copy_gb_per_s": 3000}


def table_of(cases, steps, peers):
    """The printed tables' rows by their first cell, and what was saved."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"kernels": DEVICE | {"cases": cases}, "step": {"cases": steps}, "peer": {"pytorch": "2.0", "cases": peers}}
        for name, content in files.items():
            Path(folder, f"{name}.json").write_text(json.dumps(content))
        printed = subprocess.run(
            [sys.executable, sys.argv[1], "--commit", "abc", "--peer", f"{folder}/peer.json", folder, f"{folder}/kernels.json",
             f"{folder}/step.json"], check=True, capture_output=True, text=True).stdout
        saved = json.loads(Path(folder, "a-device-80-gb.json").read_text())
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed.splitlines() if line.startswith("|")]
    return {cells[0]: cells[1:] for cells in rows}, saved


def check(found, expected):
    if found != expected:
        raise SystemExit(f"found    {found}\nexpected {expected}")


# All is there: ratios are PyTorch's best time over ours, of steps by the pair, and memory where the pairs are as many.
rows, saved = table_of(
    [TIMED], [STEP],
    [{"name": TIMED["name"], "seconds": {"eager": 4e-6, "compile": 3e-6}},
     {"name": STEP["name"], "seconds": {"eager": 1.5, "compile": 1.0}, "pairs": {"eager": 4, "compile": 2},
      "peak_bytes": {"eager": 2**32, "compile": 2**32}}])
check(rows["rms_norm, forward, 8 x 4"], ["2 µs", "1500 GB/s", "50%", "4 µs", "3 µs", "1.50"])
check(rows["llama, bf16"], ["4", "500.00 ms", "250.00 ms", "8.0", "4096", "200.0", "25%", "2.00", "1.00", "1500.00 ms",
                            "1000.00 ms, 2 pairs", "3.00", "4.00", "2.00", "–"])
check((saved["commit"], saved["pytorch"]["pytorch"], len(saved["cases"])), ("abc", "2.0", 2))

# What was not run, failed or was refused says so, and the rest is printed all the same.
rows, saved = table_of(
    [{"name": "a/forward/1", "op": "a", "not_run": "the time was up"}, {"name": "b/forward/1", "op": "b", "failure": "wrong"}],
    [{"name": "step/x/1", "op": "step", "not_run": "the time was up"}, {"name": "step/y/1", "op": "step", "failure": "no memory"}],
    [{"name": "a/forward/1", "refused": {"eager": "no"}},
     {"name": "step/x/1", "seconds": {"eager": 1.0}, "pairs": {"eager": 3}, "peak_bytes": {"eager": 5}}])
check(rows["a, forward, 1"], ["not run", "–", "–", "refused", "–", "–"])
check(rows["b, forward, 1"], ["failed", "–", "–", "–", "–", "–"])
check(rows["x, 1"], ["–", "not run", *["–"] * 7, "1000.00 ms, 3 pairs", "–", *["–"] * 4])
check(rows["y, 1"], ["–", "failed", *["–"] * 7, "–", "–", *["–"] * 4])

# Cases that PyTorch alone has.
rows, saved = table_of([], [], [{"name": "conv2d/forward/1", "op": "conv2d", "seconds": {"eager": 1e-3}}])
check(rows["conv2d, forward, 1"], ["–", "–", "–", "1.00 ms", "–", "–"])
