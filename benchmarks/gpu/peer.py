"""Times PyTorch on the cases of the kernels' benchmark, on the same machine, and writes them under the same names.

usage: peer.py CASES OUTPUT [--modes …] [--only …] [--minutes N] [--samples N] [--device cpu --tiny]

CASES is what `kernels --list --json CASES` writes. What PyTorch refuses is reported as refused.
"""

import json
import math
import statistics
import time

import torch
import torch._functorch.config
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from peer_report import arguments, reason, save

BACKENDS = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION, "math": SDPBackend.MATH}
MODES = (*BACKENDS, "eager", "compile")
TYPES = {"bf16": torch.bfloat16, "float": torch.float32}


class Setting:
    """Where the arrays are, how many sets of them there are, and how time is taken."""

    def __init__(self, options):
        self.device = torch.device(options.device)
        self.samples = options.samples
        self.l2 = torch.cuda.get_device_properties(0).L2_cache_size if self.device.type == "cuda" else 0

    def sets(self, size):
        """As many sets as make four times what the L2 cache holds."""
        return min(max(math.ceil(4 * self.l2 / size), 1), 256)

    def normal(self, *shape, dtype=torch.bfloat16, gradient=False):
        return torch.randn(shape, device=self.device, dtype=dtype).requires_grad_(gradient)

    def integers(self, bound, *shape):
        return torch.randint(bound, shape, device=self.device)

    def synchronize(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def median_seconds(self, runs):
        """Of samples that take the sets in turns, each of one run or of as many as take a tenth of a millisecond."""
        for _ in range(3):
            for run in runs[:2]:
                run()
        self.synchronize()
        if self.device.type != "cuda":
            return statistics.median(self.clock(runs[i % len(runs)]) for i in range(self.samples))
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(2 * self.samples)]
        turn = 0

        def some(times):
            nonlocal turn
            for _ in range(times):
                runs[turn % len(runs)]()
                turn += 1

        marks[0].record()
        some(5)
        marks[1].record()
        self.synchronize()
        times = min(max(int(0.1 / max(marks[0].elapsed_time(marks[1]) / 5, 1e-6)), 1), 50)
        for i in range(self.samples):
            marks[2 * i].record()
            some(times)
            marks[2 * i + 1].record()
        self.synchronize()
        return statistics.median(marks[2 * i].elapsed_time(marks[2 * i + 1]) for i in range(self.samples)) / 1e3 / times

    @staticmethod
    def clock(run):
        begin = time.perf_counter()
        run()
        return time.perf_counter() - begin


class Function:
    """A forward pass, `apply`, on inputs that `make` gives; backward is the gradient of those that ask for one."""

    def __init__(self, apply, make, size):
        self.apply, self.make, self.size = apply, make, size

    def runs(self, setting, backward, compiled):
        apply = torch.compile(self.apply, dynamic=False) if compiled else self.apply
        return [self.run(apply, self.make(), backward) for _ in range(setting.sets(self.size * (2 if backward else 1)))]

    @staticmethod
    def run(apply, inputs, backward):
        if not backward:
            frozen = [x.detach() if torch.is_tensor(x) else x for x in inputs]

            def forward():
                with torch.no_grad():
                    return apply(*frozen)

            return forward
        y = apply(*inputs)
        wanted = [x for x in inputs if torch.is_tensor(x) and x.requires_grad]
        dy = torch.randn_like(y)
        return lambda: torch.autograd.grad(y, wanted, dy, retain_graph=True)


def attention(setting, s, _):
    d = s["head_size"]

    def make():
        q = setting.normal(s["batch"], s["queries"], s["heads"], d, gradient=True)
        k, v = (setting.normal(s["batch"], s["keys"], s["key_heads"], d, gradient=True) for _ in range(2))
        return q, k, v

    def apply(q, k, v):
        options = {"enable_gqa": True} if s["heads"] != s["key_heads"] else {}
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, is_causal=bool(s["causal"]), **options)

    size = 4 * d * s["batch"] * (s["queries"] * s["heads"] + s["keys"] * s["key_heads"])
    return Function(apply, make, size)


def log_softmax_gather(setting, s, dtype):
    """Log-probabilities come in the logits' format, as users of PyTorch have them; here they are float."""
    def make():
        return setting.normal(s["rows"], s["vocabulary"], dtype=dtype, gradient=True), setting.integers(s["vocabulary"], s["rows"], 1)

    return Function(lambda x, targets: torch.log_softmax(x, -1).gather(-1, targets).squeeze(-1), make,
                    s["rows"] * s["vocabulary"] * dtype.itemsize)


def images(setting, s, gradient=False):
    return setting.normal(s["rows"], s["channels"], s["height"], s["height"], gradient=gradient)


def denoising_loss(setting, s, _):
    """By how much the policy's error is smaller than the reference's; in float, as diffusers computes it."""
    def error(p, target):
        return F.mse_loss(p.float(), target.float(), reduction="none").flatten(1).mean(1)

    def make():
        return images(setting, s, gradient=True), images(setting, s), images(setting, s)

    return Function(lambda p, reference, target: error(reference, target) - error(p, target), make,
                    6 * s["rows"] * s["channels"] * s["height"] ** 2)


def add_noise(setting, s, _):
    def make():
        return images(setting, s), setting.normal(s["rows"], 1, 1, 1), setting.normal(s["rows"], 1, 1, 1)

    return Function(lambda z, signal, deviation: signal * z + deviation * torch.randn_like(z), make,
                    4 * s["rows"] * s["channels"] * s["height"] ** 2)


def rms_norm(setting, s, _):
    width = s["width"]

    def make():
        return setting.normal(s["rows"], width, gradient=True), setting.normal(width, gradient=True)

    return Function(lambda x, gamma: F.rms_norm(x, (width,), gamma, 1e-5), make, 4 * s["rows"] * width)


def layer_norm(setting, s, _):
    width = s["width"]

    def make():
        return setting.normal(s["rows"], width, gradient=True), setting.normal(width, gradient=True), setting.normal(width, gradient=True)

    return Function(lambda x, gamma, beta: F.layer_norm(x, (width,), gamma, beta), make, 4 * s["rows"] * width)


def group_norm_silu(setting, s, _):
    def make():
        x = setting.normal(s["images"], s["channels"], s["height"], s["height"])
        x = x.to(memory_format=torch.channels_last).requires_grad_()
        return x, setting.normal(s["channels"], gradient=True), setting.normal(s["channels"], gradient=True)

    return Function(lambda x, gamma, beta: F.silu(F.group_norm(x, s["groups"], gamma, beta)), make,
                    4 * s["images"] * s["channels"] * s["height"] ** 2)


def swiglu(setting, s, _):
    def make():
        return setting.normal(s["rows"], s["width"], gradient=True), setting.normal(s["rows"], s["width"], gradient=True)

    return Function(lambda gate, up: F.silu(gate) * up, make, 6 * s["rows"] * s["width"])


def geglu(setting, s, _):
    def apply(x):
        value, gate = x.chunk(2, -1)
        return value * F.gelu(gate)

    return Function(apply, lambda: (setting.normal(s["rows"], 2 * s["width"], gradient=True),), 6 * s["rows"] * s["width"])


def embedding(setting, s, _):
    """The gradient is a new table, where ours is added to one that is there."""
    table = setting.normal(s["vocabulary"], s["width"], gradient=True)

    def make():
        ids = setting.integers(s["vocabulary"], s["rows"])
        ids[::16] = 0  # one word in sixteen is the same, as in a text
        return table, ids

    return Function(lambda rows, ids: F.embedding(ids, rows), make, 2 * s["rows"] * s["width"])


def rope(setting, s, _):
    cosines, sines = (setting.normal(s["positions"], s["head_size"] // 2) for _ in range(2))

    def apply(x, positions):
        c, r = (torch.cat((t, t), -1)[positions].unsqueeze(1) for t in (cosines, sines))
        first, second = x.chunk(2, -1)
        return x * c + torch.cat((-second, first), -1) * r

    def make():
        return setting.normal(s["rows"], s["heads"], s["head_size"]), setting.integers(s["positions"], s["rows"])

    return Function(apply, make, 4 * s["rows"] * s["heads"] * s["head_size"])


def squared_norm(setting, s, _):
    return Function(lambda x: torch.linalg.vector_norm(x, dtype=torch.float32), lambda: (setting.normal(s["size"]),), 2 * s["size"])


def conv2d(setting, s, _):
    def make():
        x = setting.normal(s["images"], s["channels"], s["height"], s["height"]).to(memory_format=torch.channels_last)
        w = setting.normal(s["outputs"], s["channels"], 3, 3).to(memory_format=torch.channels_last)
        return x.requires_grad_(), w.requires_grad_()

    return Function(lambda x, w: F.conv2d(x, w, padding=1), make,
                    2 * s["images"] * s["height"] ** 2 * (s["channels"] + s["outputs"]))


def linear(setting, s, _):
    def make():
        x, w = setting.normal(s["rows"], s["inputs"], gradient=True), setting.normal(s["outputs"], s["inputs"], gradient=True)
        return x, w, setting.normal(s["outputs"], gradient=True) if s["bias"] else None

    return Function(F.linear, make, 2 * (s["rows"] * (s["inputs"] + s["outputs"]) + s["inputs"] * s["outputs"]))


def upsample(setting, s, _):
    def make():
        x = setting.normal(s["images"], s["channels"], s["height"], s["height"])
        return (x.to(memory_format=torch.channels_last).requires_grad_(),)

    return Function(lambda x: F.interpolate(x, scale_factor=2.0), make, 10 * s["images"] * s["channels"] * s["height"] ** 2)


def concat(setting, s, _):
    return Function(lambda a, b: torch.cat((a, b), -1), lambda: (setting.normal(s["rows"], s["left"]), setting.normal(s["rows"], s["right"])),
                    4 * s["rows"] * (s["left"] + s["right"]))


def column_sums(setting, s, _):
    return Function(lambda x: x.sum(0), lambda: (setting.normal(s["rows"], s["width"]),), 2 * s["rows"] * s["width"])


def cast(setting, s, dtype):
    return Function(lambda x: x.to(torch.bfloat16), lambda: (setting.normal(s["size"], dtype=dtype),), 6 * s["size"])


class HeadLogProb:
    """With logits, which PyTorch has to make; their log-softmax in float. A training runs forward and backward as one."""

    def __init__(self, _setting, s, _type):
        self.s = s

    def runs(self, setting, backward, compiled):
        s = self.s
        hidden = setting.normal(s["tokens"], s["width"], gradient=True)
        head = (0.03 * setting.normal(s["vocabulary"], s["width"])).requires_grad_()
        targets, dy = setting.integers(s["vocabulary"], s["tokens"], 1), setting.normal(s["tokens"], dtype=torch.float32)

        def apply(states, words):
            return torch.log_softmax((states @ words.T).float(), -1).gather(-1, targets).squeeze(-1)

        apply = torch.compile(apply, dynamic=False) if compiled else apply
        if backward:
            return [lambda: torch.autograd.grad(apply(hidden, head), (hidden, head), dy)]
        return [Function.run(apply, (hidden, head), False)]


class AdamW:
    """Fused, with weights, gradients and moments in float, since bf16 weights of PyTorch's lose small steps: 28 bytes a weight."""

    def __init__(self, _setting, s, _type):
        self.s = s

    def runs(self, setting, *_):
        weights = [setting.normal(self.s["size"], dtype=torch.float32, gradient=True) for _ in range(self.s["tensors"])]
        for w in weights:
            w.grad = torch.randn_like(w)
        return [torch.optim.AdamW(weights, lr=1e-3, fused=True).step]


CASES = {f.__name__: f for f in (attention, log_softmax_gather, denoising_loss, add_noise, rms_norm, layer_norm, group_norm_silu,
                                 swiglu, geglu, embedding, rope, squared_norm, linear, conv2d, upsample, concat, column_sums, cast)}
CASES |= {"head_log_prob": HeadLogProb, "adamw": AdamW}


def tiny(sizes):
    """Sizes that a CPU does in no time, multiples of what they must be multiples of."""
    small = {"batch": 2, "queries": 12, "keys": 12, "head_size": 8, "vocabulary": 50, "rows": 6, "width": 16, "images": 2,
             "height": 4, "channels": 64, "outputs": 64, "size": 40, "tensors": 3, "positions": 9, "tokens": 7, "inputs": 8, "left": 4,
             "right": 5}
    group = sizes.get("heads", 1) // sizes.get("key_heads", sizes.get("heads", 1))
    small |= {"heads": 2 * group, "key_heads": 2}
    return {name: small.get(name, value) for name, value in sizes.items()}


def time_mode(setting, case, mode):
    make = CASES[case["op"]](setting, case["sizes"], TYPES[case["type"]])
    backward = case["pass"].endswith("backward")
    if mode in BACKENDS:
        with sdpa_kernel(BACKENDS[mode]):
            return setting.median_seconds(make.runs(setting, backward, False))
    return setting.median_seconds(make.runs(setting, backward, mode == "compile"))


def modes_of(case, options):
    """Attention has backends; its definition, `math`, only where both others refuse. Compiling an optimiser that is one
    kernel takes minutes and gains nothing."""
    return [mode for mode in options.modes if (mode in BACKENDS) == (case["op"] == "attention")
            and (mode, case["op"]) != ("compile", "adamw")]


def time_case(setting, case, options):
    seconds, refused = {}, {}
    for mode in modes_of(case, options):
        if mode == "math" and seconds:
            continue
        torch.manual_seed(1)
        try:
            seconds[mode] = time_mode(setting, case, mode)
        except Exception as refusal:  # whatever PyTorch says no with, the other cases go on
            refused[mode] = reason(refusal)
        if setting.device.type == "cuda":
            torch.cuda.empty_cache()
        torch.compiler.reset()
    return seconds, refused


def main():
    parser = arguments("cases", MODES, samples=25)
    parser.add_argument("--tiny", action="store_true", help="small sizes, to see that all cases run")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("PyTorch sees no GPU here")

    torch._functorch.config.donated_buffer = False  # a compiled backward pass runs more than once here
    begin = time.monotonic()
    setting = Setting(options)
    cases = json.loads(options.cases.read_text())["cases"]
    cases = [case for case in cases if any(text in case["name"] for text in options.only) and case["op"] in CASES]
    report = {"pytorch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
              "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu", "cases": []}
    print(f"PyTorch {report['pytorch']}, CUDA {report['cuda']}, cuDNN {report['cudnn']}, on {report['device']}")
    for case in cases:
        row = {key: case[key] for key in ("name", "op", "pass", "shape", "work", "unit")}
        if time.monotonic() - begin > 60 * options.minutes:
            row["not_run"] = "the time was up"
        else:
            sizes = tiny(case["sizes"]) if options.tiny else case["sizes"]
            row["seconds"], row["refused"] = time_case(setting, case | {"sizes": sizes}, options)
        report["cases"].append(row)
        save(report, options.output)
        figures = [f"{mode} {1e6 * s:.1f} us" for mode, s in row.get("seconds", {}).items()]
        figures += [f"{mode} refused ({why})" for mode, why in row.get("refused", {}).items()]
        print(f"{row['name']:70}", "  ".join(figures) or "not run", flush=True)


if __name__ == "__main__":
    main()
