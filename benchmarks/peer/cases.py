"""The comparison's cases in PyTorch. Each `run()` is one sample; the counterparts are in cases.hpp."""

import contextlib
import copy
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from models import Author, Painter

VOCABULARY, PROMPT, CAPTION = 256, 8, 6
BEGIN, SEPARATOR, END = 0, 1, 2
STEPS = 1000


def cosine_schedule():
    """√ᾱ_t and √(1 − ᾱ_t) for t = 0 … T (Nichol and Dhariwal, 2021)."""
    level = lambda t: math.cos((t / STEPS + 0.008) / 1.008 * math.pi / 2) ** 2
    kept = [1.0]
    for t in range(1, STEPS + 1):
        kept.append(kept[-1] * (1 - min(1 - level(t) / level(t - 1), 0.999)))
    kept = torch.tensor(kept, dtype=torch.float64)
    return kept.sqrt().float(), (1 - kept).sqrt().float()


SIGNAL, DEVIATION = cosine_schedule()


def load(folder: Path):
    author, painter = Author(), Painter().to(memory_format=torch.channels_last)
    for model, name in ((author, "author"), (painter, "painter")):
        missing, unexpected = model.load_state_dict(load_file(folder / f"{name}.safetensors"), strict=False)
        if missing or unexpected:
            raise SystemExit(f"{name}: missing {missing}, unexpected {unexpected}")
    return author, painter


def texts(count, length):
    return torch.randint(3, VOCABULARY, (count, length))


def images(count):
    return (0.4 * torch.randn(count, 3, 16, 16)).contiguous(memory_format=torch.channels_last)


def captions_of(words):
    """`begin, words, end`"""
    edge = lambda token: torch.full((*words.shape[:-1], 1), token)
    return torch.cat((edge(BEGIN), words, edge(END)), dim=-1)


def draw_noise(count, first_step):
    t = torch.randint(first_step, STEPS + 1, (count,))
    return t, torch.randn(count, 3, 16, 16).contiguous(memory_format=torch.channels_last)


def noised(x, t, noise):
    """z_t and the velocity."""
    signal, deviation = SIGNAL[t][:, None, None, None], DEVIATION[t][:, None, None, None]
    return signal * x + deviation * noise, signal * noise - deviation * x


class Mode:
    """How PyTorch runs: compiled or not, with bf16 autocast or not."""

    def __init__(self, name):
        self.name = name
        self.compiled = name.startswith("compile")
        self.bf16 = name.endswith("bf16")

    def prepare(self, function):
        return torch.compile(function, dynamic=False) if self.compiled else function

    def autocast(self):
        return torch.autocast("cpu", dtype=torch.bfloat16) if self.bf16 else contextlib.nullcontext()


def adamw(model, rate, decay=0.0):
    return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate, betas=(0.9, 0.99),
                             weight_decay=decay, fused=True)


class Pretrain:
    """One step of pre-training the painter, 32 images."""

    def __init__(self, folder, mode):
        self.mode = mode
        _, self.painter = load(folder)
        self.predict = mode.prepare(lambda z, t, captions: self.painter(z, t, self.painter.encode(captions)))
        self.weights = list(self.painter.parameters())
        self.average = [p.detach().clone() for p in self.weights]
        self.optimizer = adamw(self.painter, 1e-4, 0.01)
        self.images, self.captions = images(256), captions_of(texts(256, CAPTION))
        self.next = 0

    def run(self):
        at = slice(self.next % 256, self.next % 256 + 32)
        self.next += 32
        t, noise = draw_noise(32, 1)
        z, velocity = noised(self.images[at], t, noise)
        with self.mode.autocast():
            prediction = self.predict(z, t, self.captions[at])
        loss = (prediction.float() - velocity).square().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.weights, 0.01)
        return loss.item()


class Step:
    """One step of SysDPO, 16 pairs of 3 captions and 3 images; the painter's caption encoder is frozen."""

    def __init__(self, folder, mode):
        self.mode = mode
        self.author, self.painter = load(folder)
        self.painter.text_encoder.requires_grad_(False)
        self.models = [self.author, self.painter]
        self.references = [copy.deepcopy(model).requires_grad_(False) for model in self.models]
        score = lambda author, tokens: author(tokens, PROMPT + 2)
        predict = lambda painter, z, t, captions: painter(z, t, painter.encode(captions))
        self.score, self.predict = mode.prepare(score), mode.prepare(predict)
        self.reference_score, self.reference_predict = mode.prepare(score), mode.prepare(predict)
        self.optimizers = [adamw(model, 1e-4) for model in self.models]
        self.prompts = texts(64, PROMPT)
        self.words = texts(64 * 2 * 3, CAPTION).view(64, 2, 3, CAPTION)
        self.images = images(64 * 2 * 3).unflatten(0, (64, 2, 3))

    def batch(self):
        chosen = torch.randperm(64)[:16]
        words = self.words[chosen].transpose(0, 1)  # the sides outermost
        edge = lambda token: torch.full((2, 16, 1), token)
        prompts = self.prompts[chosen].expand(2, 16, PROMPT)
        parts = [edge(BEGIN), prompts, edge(SEPARATOR)]
        for k in range(3):
            parts += [words[:, :, k], edge(SEPARATOR if k < 2 else END)]
        tokens = torch.cat(parts, dim=-1).flatten(0, 1)
        x = self.images[chosen].transpose(0, 1).flatten(0, 2).contiguous(memory_format=torch.channels_last)
        t, noise = draw_noise(48, 1)
        z, velocity = noised(x, t.repeat(2), noise.repeat(2, 1, 1, 1))  # both sides see the same draws
        return tokens, z, velocity, t.repeat(2), captions_of(words).flatten(0, 2)

    def run(self):
        tokens, z, velocity, t, captions = self.batch()
        error = lambda prediction: (prediction.float() - velocity).square().mean((1, 2, 3))
        with torch.inference_mode(), self.mode.autocast():
            author, painter = self.references
            reference_log_prob = self.reference_score(author, tokens).float()
            reference_error = error(self.reference_predict(painter, z, t, captions))
        with self.mode.autocast():
            log_prob = self.score(self.author, tokens).float()
            prediction = self.predict(self.painter, z, t, captions)
        ratios = (log_prob - reference_log_prob).view(2, 16) + STEPS * (
            reference_error - error(prediction)).view(2, 16, 3).sum(2)
        loss = -F.logsigmoid(0.5 * (ratios[0] - ratios[1])).mean()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for model, optimizer in zip(self.models, self.optimizers):
            torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
            optimizer.step()
        return loss.item()


class Sampling:
    """48 images in ten steps of DDIM."""

    def __init__(self, folder, mode):
        self.mode = mode
        _, self.painter = load(folder)
        self.painter.requires_grad_(False)
        self.predict = mode.prepare(lambda z, t, context: self.painter(z, t, context))
        self.captions = captions_of(texts(48, CAPTION))

    def draw(self, z, captions):
        visited = [STEPS * i // 10 for i in range(10, -1, -1)]
        with torch.inference_mode(), self.mode.autocast():
            context = self.painter.encode(captions)
            for t, s in zip(visited, visited[1:]):
                velocity = self.predict(z, torch.full((len(z),), t), context).float()
                clean = (SIGNAL[t] * z - DEVIATION[t] * velocity).clamp(-1, 1)
                noise = (z - SIGNAL[t] * clean) / DEVIATION[t]
                z = SIGNAL[s] * clean + DEVIATION[s] * noise
        return z

    def run(self):
        return self.draw(images(48) / 0.4, self.captions).sum().item()


class LogSoftmaxGather:
    """log p of a token a row from logits of 2048 × 49,152, and the gradient of the logits."""

    def __init__(self, folder, mode):
        self.logits = (torch.arange(2048 * 49152) * 2654435761 % 4093 / 400 - 5).view(2048, 49152)
        self.targets = torch.arange(2048) * 7919 % 49152
        if mode.bf16:
            self.logits = self.logits.bfloat16()
        self.logits.requires_grad_()
        self.upstream = torch.ones(2048)
        # PyTorch's fused form: no log-softmax of the vocabulary's size is made in a dtype of its own.
        self.gather = mode.prepare(lambda logits, targets: -F.cross_entropy(logits, targets, reduction="none"))

    def run(self):
        self.logits.grad = None
        log_prob = self.gather(self.logits, self.targets)
        log_prob.backward(self.upstream.to(log_prob.dtype))
        return 0.0


CASES = {"step": Step, "pretrain": Pretrain, "sampling": Sampling, "log_softmax_gather": LogSoftmaxGather}


def check(folder: Path):
    """The largest differences between what this library and PyTorch make of the same weights and inputs."""
    author, painter = load(folder)
    given = load_file(folder / "check.safetensors")
    nchw = lambda x: x.permute(0, 3, 1, 2)
    captions, noise = given["captions"].long(), nchw(given["noise"])
    with torch.inference_mode():
        prediction = painter(noise, given["steps"].long(), painter.encode(captions))
        log_probs = author(given["texts"].long(), PROMPT + 2)
    drawn = Sampling(folder, Mode("eager")).draw(noise, captions)
    apart = lambda a, b: ((a - b).abs() / (1 + b.abs())).max().item()
    return {
        "painter's prediction": apart(prediction, nchw(given["prediction"])),
        "author's log-probabilities": apart(log_probs, given["log_probs"]),
        "sampled images": apart(drawn, nchw(given["images"])),
    }
