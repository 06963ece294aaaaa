"""Whole steps of SysDPO in PyTorch: the systems, shapes and batches of what `step` wrote, and seconds by the same names.

usage: peer_step.py STEPS OUTPUT [--modes …] [--only …] [--minutes N] [--samples N] [--device cpu] [--whole] [--check]

Models are ../peer/models.py's, wider and deeper. PyTorch gets what its users would give it: channels_last,
`scaled_dot_product_attention`, a fused AdamW, no gradients for the reference, the head's logits where tokens are scored
alone, and data that is on the device already. Weights of bf16 have moments of bf16, as PyTorch's AdamW has them; weights
of float are run under autocast. Where a batch does not fit, it is made smaller, and `pairs` says so.
"""

import contextlib
import copy
import gc
import json
import statistics
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from peer_report import arguments, reason, save

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "peer"))
import models  # noqa: E402

STEPS, BETA, RATE = 1000, 0.1, 1e-6
MODES = ("eager", "compile")
REGIONAL = 100e6  # from this number of weights on, blocks are compiled one by one: whole models take many minutes


class Rotation(nn.Module):
    """Rotary positions from 0 on, in float."""

    def __init__(self, context, size):
        super().__init__()
        angles = torch.outer(torch.arange(context).float(), 1e4 ** (-torch.arange(0, size, 2).float() / size))
        self.register_buffer("cosines", angles.cos(), persistent=False)
        self.register_buffer("sines", angles.sin(), persistent=False)

    def forward(self, x):
        a, b = x.chunk(2, dim=-1)
        c, s = self.cosines[: x.shape[-2]], self.sines[: x.shape[-2]]
        return torch.cat((a * c - b * s, b * c + a * s), dim=-1).to(x.dtype)


def score(x, head, targets):
    """log p of each row's targets, summed; as trainers do it, in float."""
    return F.linear(x, head).log_softmax(-1, dtype=torch.float32).gather(-1, targets[..., None]).squeeze(-1).sum(1)


class Author(models.Author):
    """With a head of its own or not."""

    def __init__(self, s, checkpointed):
        super().__init__(s["vocabulary"], s["hidden"], s["layers"], s["heads"], s["kv_heads"], s["intermediate"], s["context"])
        self.score = score
        self.rotation = Rotation(s["context"], s["hidden"] // s["heads"])
        self.checkpointed = checkpointed
        if not s["tied_head"]:
            self.lm_head = nn.Linear(s["hidden"], s["vocabulary"], bias=False)

    def compile_blocks(self):
        for layer in self.model["layers"]:
            layer.compile(dynamic=False)
        self.score = torch.compile(score, dynamic=False)

    def forward(self, tokens, prompt_length):
        x = self.model["embed_tokens"](tokens[:, :-1])
        for layer in self.model["layers"]:
            x = run_block(self.checkpointed, layer, x, self.rotation)
        x = self.model["norm"](x[:, prompt_length - 1 :])
        head = self.lm_head if hasattr(self, "lm_head") else self.model["embed_tokens"]
        return self.score(x, head.weight, tokens[:, prompt_length:])


class Painter(nn.Module):
    """A UNet of any number of levels, with attention to the caption at those that say so and in the middle."""

    def __init__(self, s, encoder, checkpointed):
        super().__init__()
        widths, crosses, layers = s["block_out_channels"], s["cross_attention"], s["layers_per_block"]
        context, time_width = encoder["hidden"], 4 * widths[0]
        resnet = lambda inputs, outputs: models.Resnet(inputs, outputs, time_width, s["norm_groups"])
        attend = lambda width: models.Transformer(width, context, s["heads"], s["norm_groups"])
        self.checkpointed, self.pooled = checkpointed, s["pooled_caption"]
        self.text_encoder = models.Encoder(encoder["vocabulary"], context, encoder["layers"], encoder["heads"],
                                           encoder["intermediate"], encoder["context"])
        self.conv_in = nn.Conv2d(s["channels"], widths[0], 3, padding=1)
        self.time_embedding = nn.ModuleDict({"linear_1": nn.Linear(widths[0], time_width),
                                             "linear_2": nn.Linear(time_width, time_width)})
        if self.pooled:
            self.class_embedding = nn.Linear(context, time_width)
        skips, width, self.down_blocks, self.up_blocks = [widths[0]], widths[0], nn.ModuleList(), nn.ModuleList()
        for level, outputs in enumerate(widths):
            resnets = []
            for _ in range(layers):
                resnets.append(resnet(width, outputs))
                skips.append(width := outputs)
            resample = {}
            if level + 1 < len(widths):
                resample["downsamplers"] = nn.Conv2d(width, width, 3, stride=2, padding=1)
                skips.append(width)
            attentions = [attend(width) for _ in resnets] if crosses[level] else []
            self.down_blocks.append(models.Stage(resnets, attentions, **resample))
        self.mid_block = models.Stage([resnet(width, width), resnet(width, width)], [attend(width)])
        for level in reversed(range(len(widths))):
            resnets = []
            for _ in range(layers + 1):
                resnets.append(resnet(width + skips.pop(), widths[level]))
                width = widths[level]
            attentions = [attend(width) for _ in resnets] if crosses[level] else []
            resample = {"upsamplers": nn.Conv2d(width, width, 3, padding=1)} if level > 0 else {}
            self.up_blocks.append(models.Stage(resnets, attentions, **resample))
        self.conv_norm_out = nn.GroupNorm(s["norm_groups"], width)
        self.conv_out = nn.Conv2d(width, s["channels"], 3, padding=1)
        half = widths[0] // 2
        self.register_buffer("frequencies", 1e4 ** (-torch.arange(half) / half), persistent=False)

    def compile_blocks(self):
        for one in self.modules():
            if isinstance(one, (models.Resnet, models.Transformer, models.Encoder)):
                one.compile(dynamic=False)

    def forward(self, z, t, captions):
        context = self.text_encoder(captions)
        angles = t[:, None] * self.frequencies
        waves = torch.cat((angles.cos(), angles.sin()), dim=1).to(z.dtype)
        time = self.time_embedding["linear_2"](F.silu(self.time_embedding["linear_1"](waves)))
        if self.pooled:
            time = time + self.class_embedding(context[:, -1])
        time = F.silu(time)

        def run(stage, j, x, skip=None):
            def block(x, skip, time, context):
                x = stage.resnets[j](x if skip is None else torch.cat((x, skip), dim=1), time)
                return stage.attentions[j](x, context) if j < len(stage.attentions) else x

            return run_block(self.checkpointed, block, x, skip, time, context)

        x = self.conv_in(z)
        skips = [x]
        for stage in self.down_blocks:
            for j in range(len(stage.resnets)):
                skips.append(x := run(stage, j, x))
            if hasattr(stage, "downsamplers"):
                skips.append(x := stage.downsamplers[0]["conv"](x))
        x = run(self.mid_block, 1, run(self.mid_block, 0, x))
        for stage in self.up_blocks:
            for j in range(len(stage.resnets)):
                x = run(stage, j, x, skips.pop())
            if hasattr(stage, "upsamplers"):
                x = stage.upsamplers[0]["conv"](F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv_out(F.silu(self.conv_norm_out(x)))


def run_block(checkpointed, block, *inputs):
    if checkpointed and torch.is_grad_enabled():
        return checkpoint(block, *inputs, use_reentrant=False)
    return block(*inputs)


def make_models(sizes, device):
    with torch.device(device):
        return [Author(sizes["author"], sizes["checkpointed"]),
                Painter(sizes["painter"], sizes["encoder"], sizes["checkpointed"])]


def check_models(case):
    """That both sides have as many weights, and how far their counts of operations are apart."""
    from torch.utils.flop_counter import FlopCounterMode
    sizes = case["sizes"]
    author, painter = make_models(sizes, "meta")
    counts = {"author": author, "painter": painter}
    for name, model in counts.items():
        found = sum(p.numel() for p in model.parameters())
        if found != case["parameters"][name]:
            raise SystemExit(f"{case['name']}, {name}: {found} weights here, {case['parameters'][name]} there")
    data = Data(sizes, 1, "meta", torch.float32)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        author(data.tokens[0, :1], data.prompt_length)
    found = {"author": counter.get_total_flops()}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        painter.text_encoder(data.captions[0, :3])
    found["encoder"] = counter.get_total_flops()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        painter(data.images[0, :3], torch.zeros(3, device="meta"), data.captions[0, :3])
    found["painter"] = counter.get_total_flops() - found["encoder"]
    return {name: found[name] / case["forward_work"][name] for name in found}


class Data:
    """Random texts and images for `pairs` pairs, [side, rows, …]."""

    def __init__(self, sizes, pairs, device, dtype):
        edge = lambda token, *shape: torch.full((*shape, 1), token, device=device)
        vocabulary = min(sizes["author"]["vocabulary"], sizes["encoder"]["vocabulary"])
        texts = lambda *shape: torch.randint(3, vocabulary, shape, device=device)
        words = texts(2, pairs, 3, sizes["caption"])
        parts = [edge(0, 2, pairs), texts(1, pairs, sizes["prompt"]).expand(2, -1, -1), edge(1, 2, pairs)]
        for k in range(3):
            parts += [words[:, :, k], edge(1 if k < 2 else 2, 2, pairs)]
        self.tokens = torch.cat(parts, dim=-1)
        self.prompt_length = sizes["prompt"] + 2
        edges = [edge(token, 2, pairs, 3) for token in (0, 2)]
        self.captions = torch.cat((edges[0], words, edges[1]), dim=-1).flatten(1, 2)
        side = sizes["painter"]["side"]
        images = 0.5 * torch.randn(2, 3 * pairs, sizes["painter"]["channels"], side, side, device=device, dtype=dtype)
        self.images = images


class Step:
    """One step for a batch of pairs."""

    def __init__(self, case, pairs, mode, options):
        sizes, device = case["sizes"], options.device
        self.pairs, self.device = pairs, device
        # Weights of float compute in bf16 under autocast.
        weights = torch.bfloat16 if case["weights"] == "bf16" else torch.float32
        self.narrow = case["type"] == "bf16" and weights == torch.float32
        self.dtype = weights
        self.models = make_models(sizes, device)
        for model in self.models:
            for p in model.parameters():
                p.data = p.data.to(weights)  # tables of positions and frequencies stay in float
        self.models[1].to(memory_format=torch.channels_last)
        self.references = [copy.deepcopy(model).requires_grad_(False) for model in self.models]
        self.models[1].text_encoder.requires_grad_(False)
        self.trained = [[p for p in model.parameters() if p.requires_grad] for model in self.models]
        self.optimizers = [torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0, fused=True) for trained in self.trained]
        self.data = Data(sizes, pairs, device, weights)
        t = torch.arange(1, STEPS + 1, device=device) / STEPS
        self.signal, self.deviation = (t * torch.pi / 2).cos(), (t * torch.pi / 2).sin()
        self.calls = [*self.models, *self.references]
        if mode == "compile":
            large = sum(p.numel() for model in self.models for p in model.parameters()) >= REGIONAL
            for model in self.calls:
                if large and not options.whole:
                    model.compile_blocks()
                else:
                    model.compile(dynamic=False)

    def autocast(self):
        return torch.autocast(self.device, dtype=torch.bfloat16) if self.narrow else contextlib.nullcontext()

    def run(self):
        data, n = self.data, 3 * self.pairs
        author, painter, reference_author, reference_painter = self.calls
        t = torch.randint(0, STEPS, (n,), device=self.device)
        noise = torch.randn(data.images.shape[1:], device=self.device, dtype=self.dtype)
        signal, deviation = (table[t][:, None, None, None].to(self.dtype) for table in (self.signal, self.deviation))
        z = (signal * data.images + deviation * noise).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        noise, t = noise.repeat(2, 1, 1, 1), t.repeat(2)  # both sides see the same draws
        tokens, captions = data.tokens.flatten(0, 1), data.captions.flatten(0, 1)
        error = lambda x: F.mse_loss(x.float(), noise.float(), reduction="none").mean((1, 2, 3))
        with torch.no_grad(), self.autocast():
            reference_log_prob = reference_author(tokens, data.prompt_length)
            reference_error = error(reference_painter(z, t, captions))
        with self.autocast():
            log_prob = author(tokens, data.prompt_length)
            prediction = painter(z, t, captions)
        ratios = (log_prob - reference_log_prob).view(2, -1) + STEPS * (
            reference_error - error(prediction)).view(2, -1, 3).sum(2)
        loss = -F.logsigmoid(BETA * (ratios[0] - ratios[1])).mean()
        loss.backward()
        for trained, optimizer in zip(self.trained, self.optimizers):
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loss.item()


def free(device):
    gc.collect()
    torch.compiler.reset()
    if device == "cuda":
        torch.cuda.empty_cache()


def time_mode(case, pairs, mode, options):
    """Median seconds of a step, and the most memory that tensors held."""
    cuda = options.device == "cuda"
    torch.manual_seed(1)
    step = Step(case, pairs, mode, options)
    for _ in range(3):
        step.run()  # compiles, warms up
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(options.samples):
        begin = time.perf_counter()
        loss = step.run()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    peak = torch.cuda.max_memory_allocated() if cuda else 0
    return {"seconds": statistics.median(seconds), "peak_bytes": peak, "pairs": pairs, "loss": loss}


def time_smaller(case, mode, options):
    """With half the pairs where they do not fit."""
    pairs = case["sizes"]["pairs"]
    while True:
        try:
            return time_mode(case, pairs, mode, options)
        except torch.OutOfMemoryError:
            if pairs == 1:
                raise
        pairs //= 2  # outside of the handler, whose traceback holds tensors
        free(options.device)


def modes_of(case, options):
    """A checkpointed step is run eagerly alone: compiled it costs minutes, and stands for what fits."""
    return [mode for mode in options.modes if mode == "eager" or not case["sizes"]["checkpointed"]]


def main():
    parser = arguments("steps", MODES, samples=10)
    parser.add_argument("--whole", action="store_true", help="compile large models whole, not block by block")
    parser.add_argument("--check", action="store_true", help="compare numbers of weights and operations, and time nothing")
    options = parser.parse_args()
    if options.device == "cuda" and not options.check and not torch.cuda.is_available():
        raise SystemExit("PyTorch sees no GPU here")

    for name in ("recompile_limit", "cache_size_limit"):  # blocks of a UNet come in many shapes
        if hasattr(torch._dynamo.config, name):
            setattr(torch._dynamo.config, name, 256)
    # Float is float on both sides; and cuDNN may look for its best engines.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    begin = time.monotonic()
    cases = [case for case in json.loads(options.steps.read_text())["cases"]
             if "sizes" in case and any(text in case["name"] for text in options.only)]
    if options.check:
        for case in cases:
            ratios = check_models(case)
            print(f"{case['name']:55}", "  ".join(f"{name} {ratio:.4f}" for name, ratio in ratios.items()))
        return
    rows = [{key: case[key] for key in ("name", "op", "pass", "shape", "work", "unit")} |
            {"seconds": {}, "refused": {}, "peak_bytes": {}, "pairs": {}} for case in cases]
    report = {"pytorch": torch.__version__, "cases": rows}
    for mode in options.modes:  # compiling comes last: it takes the time
        for case, row in zip(cases, rows):
            if mode not in modes_of(case, options):
                continue
            if time.monotonic() - begin > 60 * options.minutes:
                row.setdefault("not_run", {})[mode] = "the time was up"
                print(f"{case['name']:55} {mode:8} not run", flush=True)
                continue
            try:
                found = time_smaller(case, mode, options)
                for key in ("seconds", "peak_bytes", "pairs"):
                    row[key][mode] = found[key]
                print(f"{case['name']:55} {mode:8} {1e3 * found['seconds']:9.2f} ms, {found['pairs']} pairs, peak "
                      f"{found['peak_bytes'] / 2**30:.2f} GiB, loss {found['loss']:.4f}", flush=True)
            except Exception as refusal:  # whatever PyTorch says no with, the other cases go on
                row["refused"][mode] = reason(refusal)
                print(f"{case['name']:55} {mode:8} {row['refused'][mode]}", flush=True)
            free(options.device)
            save(report, options.output)
    save(report, options.output)


if __name__ == "__main__":
    main()
