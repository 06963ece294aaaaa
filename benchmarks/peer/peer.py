"""Times this library and PyTorch on the same work, in turns, and writes the ratios after every case.

usage: peer.py OURS OUTPUT [--cases …] [--modes …] [--samples N] [--threads N]
       peer.py --memory CASE MODE FOLDER THREADS   (what a fresh process runs to measure PyTorch's memory)
"""

import argparse
import json
import os
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


def output_of(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def describe(options):
    """What was compared, where and in which versions."""
    name, flags = processor()
    native = sorted({"avx512_bf16", "amx_bf16"} & set(flags))
    return {
        "versions": {"PyTorch": torch.__version__, "Python": platform.python_version(),
                     **dict(line.split(" ", 1) for line in output_of(options.ours, "versions").splitlines())},
        "processor": name,
        "threads": options.threads,
        "samples": options.samples,
        "ratio": "PyTorch's best over this library's: of medians of seconds, or of peaks of memory; "
                 "memory_ratio is the step's",
        "bf16": {
            "ratios": "in *_bf16, PyTorch's best under bf16 autocast over this library in fp32",
            "PyTorch": "by " + ", ".join(native) if native else "emulated: the processor has no bf16 arithmetic",
            "ours": "fp32: this library has no bf16 path on the CPU",
        },
    }


def ratios(name, figures):
    """PyTorch's best in fp32 and in bf16 over ours, as far as they were measured."""
    found = {}
    for suffix, bf16 in (("", False), ("_bf16", True)):
        if theirs := [x for mode, x in figures.items() if mode != "ours" and mode.endswith("bf16") == bf16]:
            found[name + suffix] = min(theirs) / figures["ours"]
    return found


def save(report, path):
    """Whole or not at all, whenever the program ends."""
    written = path.with_name(path.name + ".tmp")
    written.write_text(json.dumps(report, indent=1) + "\n")
    written.replace(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ours")
    parser.add_argument("output", type=Path)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    parser.add_argument("--samples", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1, help="1: as trainings run side by side, a core each")
    options = parser.parse_args()

    report = describe(options) | {"complete": False}
    print(", ".join(f"{what} {version}" for what, version in report["versions"].items()))
    print(f"{report['processor']}; bf16 in PyTorch {report['bf16']['PyTorch']}; here {report['bf16']['ours']}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        output_of(options.ours, "export", folder)
        report["differences"] = check(folder)
        for what, difference in report["differences"].items():
            print(f"{what}: apart by {difference:.1e}")
            if not difference <= TOLERANCE:
                raise SystemExit(f"the two sides do not compute the same: {what}")

        threads = str(options.threads)
        report |= {"seconds": {}, "memory_mib": {}, "load_average": {}}
        for case in options.cases:
            seconds = time_case(options.ours, folder, case, options.modes, options.samples, options.threads)
            print(f"{case:20}", "  ".join(f"{mode} {1e3 * s:.1f} ms" for mode, s in seconds.items()), flush=True)
            memory = {"ours": float(output_of(options.ours, "memory", case, threads))}
            for mode in options.modes:
                memory[mode] = float(output_of(sys.executable, __file__, "--memory", case, mode, folder, threads))
            print(f"{'':20}", "  ".join(f"{mode} {m:.0f} MiB" for mode, m in memory.items()), flush=True)

            report["seconds"][case], report["memory_mib"][case] = seconds, memory
            report["load_average"][case] = os.getloadavg()[1]  # of five minutes: was the machine quiet?
            report |= ratios(f"{case}_ratio", seconds) | ratios(f"{case}_memory_ratio", memory)
            if case == "step":
                report |= ratios("memory_ratio", memory)
            report["complete"] = case == options.cases[-1]
            save(report, options.output)
    for key, value in report.items():
        if "_ratio" in key:
            print(f"{key:36} {value:.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory"]:
        measure_memory(*sys.argv[2:5], int(sys.argv[5]))
    else:
        main()
