"""Times this library and PyTorch on the same work, in turns, and writes the ratios.

usage: peer.py OURS OUTPUT [--cases …] [--modes …] [--samples N] [--threads N]
       peer.py --memory CASE MODE FOLDER THREADS   (what a fresh process runs to measure PyTorch's memory)
"""

import argparse
import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from cases import CASES, Mode, check

MODES = ("eager", "compile", "eager_bf16", "compile_bf16")
TOLERANCE = 1e-4


def memory_mib(field):
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+)", status, re.M)[1]) / 1024


def measure_memory(case, mode, folder, threads):
    """Peak above what the process held after its imports, MiB. The peak of compiling does not count."""
    torch.set_num_threads(threads)
    start = memory_mib("VmRSS")
    run = CASES[case](Path(folder), Mode(mode)).run
    if Mode(mode).compiled:
        run()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    for _ in range(4):
        run()
    print(memory_mib("VmHWM") - start)


class Ours:
    """The library's process: one sample a line."""

    def __init__(self, program, case, threads):
        self.process = subprocess.Popen([program, "time", case, str(threads)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def sample(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def sample_of(run):
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def time_case(program, folder, case, modes, samples, threads):
    """Medians in seconds: this library and every mode of PyTorch, in turns."""
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    ours = Ours(program, case, threads)
    theirs = {}
    for name in modes:
        run = CASES[case](folder, Mode(name)).run
        for _ in range(2):
            run()  # compiles, warms up
        theirs[name] = run
    ours.sample()
    seconds = {"ours": [], **{name: [] for name in modes}}
    for _ in range(samples):
        for name in modes:
            seconds["ours"].append(ours.sample())
            time.sleep(0.02)  # threads of the one side that still spin
            seconds[name].append(sample_of(theirs[name]))
            time.sleep(0.02)
    ours.close()
    return {name: statistics.median(list_of) for name, list_of in seconds.items()}


def processor():
    info = Path("/proc/cpuinfo").read_text()
    return re.search(r"^model name\s*:\s*(.*)$", info, re.M)[1], re.search(r"^flags\s*:\s*(.*)$", info, re.M)[1].split()


def best(seconds, bf16):
    found = [(s, name) for name, s in seconds.items() if name != "ours" and name.endswith("bf16") == bf16]
    return min(found) if found else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ours")
    parser.add_argument("output", type=Path)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    parser.add_argument("--samples", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1, help="1: as trainings run side by side, a core each")
    options = parser.parse_args()

    name, flags = processor()
    native = sorted({"avx512_bf16", "amx_bf16"} & set(flags))
    print(f"PyTorch {torch.__version__} on {name}; bf16 {'by ' + ', '.join(native) if native else 'emulated'}")
    report = {"pytorch": torch.__version__, "python": platform.python_version(), "processor": name,
              "threads": options.threads, "samples": options.samples,
              "bf16": ("in hardware: " + ", ".join(native)) if native else "emulated: the processor has no bf16 arithmetic",
              "bf16_ratios": "PyTorch's best time under bf16 autocast over this library's time in fp32, which has no bf16 path here"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([options.ours, "export", folder], check=True)
        report["differences"] = check(folder)
        for what, difference in report["differences"].items():
            print(f"{what}: apart by {difference:.1e}")
            if not difference <= TOLERANCE:
                raise SystemExit(f"the two sides do not compute the same: {what}")

        report["seconds"], report["memory_mib"] = {}, {}
        for case in options.cases:
            seconds = time_case(options.ours, folder, case, options.modes, options.samples, options.threads)
            report["seconds"][case] = seconds
            for bf16, suffix in ((False, ""), (True, "_bf16")):
                if found := best(seconds, bf16):
                    report[f"{case}_ratio{suffix}"] = found[0] / seconds["ours"]
            print(f"{case:20}", "  ".join(f"{name} {1e3 * s:.1f} ms" for name, s in seconds.items()), flush=True)

            theirs = {}
            for mode in options.modes:
                done = subprocess.run([sys.executable, __file__, "--memory", case, mode, folder, str(options.threads)],
                                      check=True, capture_output=True, text=True)
                theirs[mode] = float(done.stdout)
            ours = subprocess.run([options.ours, "memory", case, str(options.threads)], check=True, capture_output=True, text=True)
            report["memory_mib"][case] = {"ours": float(ours.stdout), **theirs}
            for bf16, suffix in ((False, ""), (True, "_bf16")):
                if found := best(report["memory_mib"][case], bf16):
                    report[f"{case}_memory_ratio{suffix}"] = found[0] / float(ours.stdout)
            print(f"{'':20}", "  ".join(f"{name} {m:.0f} MiB" for name, m in report["memory_mib"][case].items()), flush=True)
    for suffix in ("", "_bf16"):
        if f"step_memory_ratio{suffix}" in report:
            report[f"memory_ratio{suffix}"] = report[f"step_memory_ratio{suffix}"]
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    for key, value in report.items():
        if "_ratio" in key and isinstance(value, float):
            print(f"{key:36} {value:.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory"]:
        measure_memory(*sys.argv[2:5], int(sys.argv[5]))
    else:
        main()
