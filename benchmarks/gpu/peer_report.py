"""What the two programs for PyTorch share: their arguments, and the file of figures."""

import argparse
import json
from pathlib import Path


def arguments(cases, modes, samples):
    """A parser of what both understand; `cases` is what the first argument is called."""
    parser = argparse.ArgumentParser()
    parser.add_argument(cases, type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--modes", nargs="+", default=list(modes), choices=modes)
    parser.add_argument("--only", nargs="+", default=[""], help="the cases with one of these in their name")
    parser.add_argument("--minutes", type=float, default=5, help="after which no case is begun")
    parser.add_argument("--samples", type=int, default=samples)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    return parser


def reason(refusal):
    """What PyTorch says no with, in a line."""
    return f"{type(refusal).__name__}: {refusal}".strip().splitlines()[0][:200]


def save(report, path):
    """Whole or not at all, whenever the program ends."""
    written = path.with_name(path.name + ".tmp")
    written.write_text(json.dumps(report, indent=1) + "\n")
    written.replace(path)
