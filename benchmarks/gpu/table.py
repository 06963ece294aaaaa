"""Joins what the benchmarks of a GPU wrote with PyTorch's figures: RESULTS/<device>.json and, printed, tables in Markdown.

usage: table.py [--commit TEXT] [--peer FILE …] RESULTS KERNELS.json [MORE.json …]

The files have `cases`, each with a `name`; the first also says what the device is. PyTorch's figures go to the cases of the
same name, and cases that PyTorch alone has come last. Whole steps are compared by the time a pair takes, with each mode of
PyTorch, and their memory where the batches are of one size.
"""

import argparse
import json
import re
from pathlib import Path

BACKENDS = ("flash", "cudnn", "math")
MODES = ("eager", "compile")


def read(path):
    return json.loads(path.read_text()) if path and path.exists() else {"cases": []}


def join(ours, theirs):
    """Every case once, PyTorch's seconds beside ours, and the ratio of its best to ours."""
    peers = {case["name"]: case for case in theirs}
    joined = []
    for case in ours:
        peer = peers.pop(case["name"], {})
        row = dict(case)
        for key in ("refused", "not_run"):
            if peer.get(key):
                row[f"pytorch_{key}"] = peer[key]
        if seconds := peer.get("seconds"):
            row["pytorch_seconds"] = seconds
            if case["op"] == "step":
                compare_steps(row, peer)
            elif "seconds" in case:
                row["ratio"] = min(seconds.values()) / case["seconds"]
        joined.append(row)
    for peer in peers.values():
        kept = {key: value for key, value in peer.items() if key not in ("seconds", "refused")}
        joined.append(kept | {"pytorch_seconds": peer.get("seconds", {}), "pytorch_refused": peer.get("refused", {})})
    return joined


def compare_steps(row, peer):
    """How many times as long a pair takes with PyTorch as here, and how many times the memory a batch."""
    row["pytorch_pairs"], row["pytorch_peak_bytes"] = peer["pairs"], peer["peak_bytes"]
    if "seconds" not in row:
        return
    pairs = row["sizes"]["pairs"]
    row["ratios"] = {mode: seconds / peer["pairs"][mode] / (row["seconds"] / pairs) for mode, seconds in peer["seconds"].items()}
    row["memory_ratios"] = {mode: peer["peak_bytes"][mode] / row["peak_bytes"] for mode, count in peer["pairs"].items()
                            if count == pairs}


def time_of(seconds):
    if seconds is None:
        return "–"
    return f"{1e6 * seconds:.0f} µs" if seconds < 1e-3 else f"{1e3 * seconds:.2f} ms"


def ours_of(row):
    """Time, rate and share, or a word instead."""
    if "seconds" in row:
        memory = f", {row['working_bytes'] / 1e9:.2f} GB" if "working_bytes" in row else ""
        return [time_of(row["seconds"]) + memory, f"{row['rate']:.0f} {row['unit']}", f"{100 * row['share_of_ceiling']:.0f}%"]
    if "failure" in row:
        return ["failed", "–", "–"]
    return ["not run" if "not_run" in row else "–", "–", "–"]


def table(rows, modes):
    lines = ["| case | time | rate | share of ceiling | " + " | ".join(f"PyTorch, {mode}" for mode in modes) + " | ratio |",
             "|---|---:|---:|---:|" + "---:|" * (len(modes) + 1)]
    for row in rows:
        cells = [row["name"].replace("/", ", "), *ours_of(row)]
        for mode in modes:
            refused = mode in row.get("pytorch_refused", {})
            cells.append("refused" if refused else time_of(row.get("pytorch_seconds", {}).get(mode)))
        cells.append(f"{row['ratio']:.2f}" if "ratio" in row else "–")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def step_table(rows):
    heads = ("case", "pairs", "time", "recorded", "pairs/s", "tokens/s", "TFLOP/s", "share of ceiling", "peak GiB", "estimated")
    heads += tuple(f"PyTorch, {mode}" for mode in MODES) + tuple(f"time, {mode} to ours" for mode in MODES)
    heads += tuple(f"memory, {mode} to ours" for mode in MODES)
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    for row in rows:
        own_pairs = row.get("sizes", {}).get("pairs")  # none where the case was not begun
        cells = [row["name"].removeprefix("step/").replace("/", ", "), str(own_pairs or "–")]
        if "seconds" in row:
            gib = [row[key] / 2**30 for key in ("peak_bytes", "estimate_bytes")]
            cells += [time_of(row["seconds"]), time_of(row.get("recorded_seconds")),
                      f"{row['pairs_per_second']:.1f}", f"{row['tokens_per_second']:.0f}",
                      f"{row['rate']:.1f}", f"{100 * row['share_of_ceiling']:.0f}%", f"{gib[0]:.2f}", f"{gib[1]:.2f}"]
        else:
            cells += [ours_of(row)[0], *["–"] * 7]
        for mode in MODES:
            cell = "refused" if mode in row.get("pytorch_refused", {}) else time_of(row.get("pytorch_seconds", {}).get(mode))
            pairs = row.get("pytorch_pairs", {}).get(mode)
            cells.append(f"{cell}, {pairs} pairs" if pairs not in (None, own_pairs) else cell)
        for key in ("ratios", "memory_ratios"):
            cells += [f"{row[key][mode]:.2f}" if mode in row.get(key, {}) else "–" for mode in MODES]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def file_name(device):
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-") + ".json"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=Path)
    parser.add_argument("kernels", type=Path)
    parser.add_argument("more", type=Path, nargs="*")
    parser.add_argument("--commit", default="unknown")
    parser.add_argument("--peer", type=Path, action="append", default=[])
    options = parser.parse_args()
    if not options.kernels.exists():
        raise SystemExit(f"{options.kernels} is missing: nothing was measured")

    report, peers = read(options.kernels), [read(path) for path in options.peer]
    cases = report.pop("cases") + [case for path in options.more for case in read(path)["cases"]]
    rows = join(cases, [case for peer in peers for case in peer.pop("cases")])
    peer = {key: value for found in reversed(peers) for key, value in found.items()}
    report = {"commit": options.commit, **report, "pytorch": peer, "cases": rows}
    path = options.results / file_name(report["device"])
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")

    print(f"\n{report['device']}, commit {report['commit']}; bf16 product of 8192³ {report['product_tflops']:.0f} TFLOP/s, copy "
          f"{report['copy_gb_per_s']:.0f} GB/s read and written; PyTorch {peer.get('pytorch', '–')}\n")
    attention = [row for row in rows if row["name"].startswith("attention/")]
    print(table(attention, BACKENDS) + "\n")
    steps = [row for row in rows if row["name"].startswith("step/")]
    print(table([row for row in rows if row not in attention + steps], MODES) + "\n")
    print(step_table(steps))
    print(f"\n{path}")


if __name__ == "__main__":
    main()
