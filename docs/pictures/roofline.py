"""Draws roofline.svg, beside this file: what limits each kernel on an H100 SXM. usage: roofline.py"""

import math
from pathlib import Path

BANDWIDTH = 3.35  # TB/s
TENSOR = 989.0  # TFLOP/s of bf16 products, dense
VECTOR = 67.0  # TFLOP/s of everything else, in float

# Operations for each byte, what it is, and where the text stands.
MEMORY_BOUND = [
    (0.7, "AdamW", "right"),
    (1.0, "denoising loss, log-softmax backward, SwiGLU", "right"),
    (1.75, "norms, RoPE", "right"),
    (4.0, "log-softmax and gather, forward", "right"),
    (77.0, "attention to 77 keys", "right"),
    (128.0, "attention among 256 pixels", "right"),
]
VECTOR_BOUND = [(25.0, "add noise, loss from its noise", "right")]
TENSOR_BOUND = [
    (512.0, "causal attention, 2k", "above"),
    (1440.0, "3 × 3 convolution, 320 channels", "below"),
    (2731.0, "8192³ product", "above"),
    (4096.0, "attention, 16k", "far below"),
]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 520, 80, 30, 30, 60
X_RANGE, Y_RANGE = (0.25, 16384.0), (0.5, 4000.0)


def place(value, ends, start, end):
    share = math.log(value / ends[0]) / math.log(ends[1] / ends[0])
    return start + share * (end - start)


def x(value):
    return place(value, X_RANGE, LEFT, WIDTH - RIGHT)


def y(value):
    return place(value, Y_RANGE, HEIGHT - BOTTOM, TOP)


def line(x1, y1, x2, y2, style):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def text(at_x, at_y, words, anchor="start", size=13, color="#222", turn=""):
    return f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{color}" {turn}>{words}</text>'


def point(at_x, at_y, words, side, color):
    shift = {"right": (9, 14, "start"), "above": (0, -12, "middle"), "below": (0, 22, "middle"),
             "far below": (0, 42, "middle")}[side]
    return [f'<circle cx="{at_x:.1f}" cy="{at_y:.1f}" r="5" fill="{color}"/>',
            text(at_x + shift[0], at_y + shift[1], words, shift[2])]


def grid():
    drawn = []
    for power in range(-1, 14, 2):
        value = 2.0**power
        drawn += [line(x(value), TOP, x(value), HEIGHT - BOTTOM, 'stroke="#e4e4e4"'),
                  text(x(value), HEIGHT - BOTTOM + 18, f"{value:g}", "middle", 12, "#555")]
    for value in (1, 10, 100, 1000):
        drawn += [line(LEFT, y(value), WIDTH - RIGHT, y(value), 'stroke="#e4e4e4"'),
                  text(LEFT - 8, y(value) + 4, f"{value}", "end", 12, "#555")]
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return drawn + [text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, "operations for each byte of device memory", "middle"),
                    text(22, middle, "TFLOP/s at best", "middle", turn=f'transform="rotate(-90 22 {middle:.0f})"')]


def roofs():
    style = 'stroke="{}" stroke-width="2.5"'
    ridge = TENSOR / BANDWIDTH
    return [line(x(X_RANGE[0]), y(X_RANGE[0] * BANDWIDTH), x(ridge), y(TENSOR), style.format("#1f6fb4")),
            line(x(ridge), y(TENSOR), x(X_RANGE[1]), y(TENSOR), style.format("#b4451f")),
            line(x(VECTOR / BANDWIDTH), y(VECTOR), x(X_RANGE[1]), y(VECTOR),
                 style.format("#8a8a8a") + ' stroke-dasharray="6 4"'),
            text(x(0.3), y(4.2), f"{BANDWIDTH} TB/s", color="#1f6fb4"),
            text(x(X_RANGE[1]), y(TENSOR) - 34, f"tensor cores, bf16: {TENSOR:.0f} TFLOP/s", "end", color="#b4451f"),
            text(x(X_RANGE[1]), y(VECTOR) - 8, f"all else, float: {VECTOR:.0f} TFLOP/s", "end", color="#666")]


def main():
    drawn = [*grid(), *roofs()]
    for intensity, words, side in MEMORY_BOUND:
        drawn += point(x(intensity), y(intensity * BANDWIDTH), words, side, "#1f6fb4")
    for intensity, words, side in VECTOR_BOUND:
        drawn += point(x(intensity), y(VECTOR), words, side, "#666")
    for intensity, words, side in TENSOR_BOUND:
        drawn += point(x(intensity), y(TENSOR), words, side, "#b4451f")
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            'font-family="sans-serif">')
    frame = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    Path(__file__).with_name("roofline.svg").write_text("\n".join([head, frame, *drawn, "</svg>"]) + "\n")


if __name__ == "__main__":
    main()
