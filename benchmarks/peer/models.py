"""The comparison's two models in PyTorch: the same architectures and names of weights as the library's, so that its files load."""

import torch
import torch.nn.functional as F
from torch import nn


class RMSNorm(nn.RMSNorm):
    def __init__(self, width):
        super().__init__(width, eps=1e-5)


class Attention(nn.Module):
    """Multi-head attention; sequences of one length, so that no mask is needed."""

    def __init__(self, width, heads, names, context_width=None, kv_heads=None, bias=False, out_bias=True):
        super().__init__()
        self.heads, self.kv_heads, self.names = heads, kv_heads or heads, names
        kv_width = width // heads * self.kv_heads
        q, k, v, out = names
        self.add_module(q, nn.Linear(width, width, bias=bias))
        self.add_module(k, nn.Linear(context_width or width, kv_width, bias=bias))
        self.add_module(v, nn.Linear(context_width or width, kv_width, bias=bias))
        linear = nn.Linear(width, width, bias=out_bias)
        self.add_module(out, nn.ModuleList([linear]) if out == "to_out" else linear)

    def forward(self, x, context=None, rotate=None, causal=False):
        context = x if context is None else context
        q, k, v, out = (self.get_submodule(name) for name in self.names)
        split = lambda y, heads: y.unflatten(-1, (heads, -1)).transpose(1, 2)
        q, k, v = split(q(x), self.heads), split(k(context), self.kv_heads), split(v(context), self.kv_heads)
        if rotate is not None:
            q, k = rotate(q), rotate(k)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=self.kv_heads != self.heads)
        y = y.transpose(1, 2).flatten(-2)
        return out[0](y) if isinstance(out, nn.ModuleList) else out(y)


class AuthorLayer(nn.Module):
    def __init__(self, width, heads, kv_heads, intermediate):
        super().__init__()
        self.input_layernorm = RMSNorm(width)
        self.self_attn = Attention(width, heads, ("q_proj", "k_proj", "v_proj", "o_proj"), kv_heads=kv_heads, out_bias=False)
        self.post_attention_layernorm = RMSNorm(width)
        self.mlp = nn.ModuleDict({
            "gate_proj": nn.Linear(width, intermediate, bias=False),
            "up_proj": nn.Linear(width, intermediate, bias=False),
            "down_proj": nn.Linear(intermediate, width, bias=False),
        })

    def forward(self, x, rotate):
        x = x + self.self_attn(self.input_layernorm(x), rotate=rotate, causal=True)
        h = self.post_attention_layernorm(x)
        return x + self.mlp["down_proj"](F.silu(self.mlp["gate_proj"](h)) * self.mlp["up_proj"](h))


class Author(nn.Module):
    """A Llama-like decoder with tied embeddings."""

    def __init__(self, vocabulary=256, width=64, layers=2, heads=4, kv_heads=2, intermediate=160, context=64):
        super().__init__()
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(vocabulary, width),
            "layers": nn.ModuleList(AuthorLayer(width, heads, kv_heads, intermediate) for _ in range(layers)),
            "norm": RMSNorm(width),
        })
        size = width // heads
        angles = torch.outer(torch.arange(context).double(), 1e4 ** (-torch.arange(0, size, 2).double() / size))
        self.register_buffer("cosines", angles.cos().float(), persistent=False)
        self.register_buffer("sines", angles.sin().float(), persistent=False)

    def forward(self, tokens, prompt_length):
        """log p of tokens[:, prompt_length:] given what is before, [rows]."""
        length = tokens.shape[1] - 1
        cosines, sines = self.cosines[:length], self.sines[:length]

        def rotate(x):
            a, b = x.chunk(2, dim=-1)
            return torch.cat((a * cosines - b * sines, b * cosines + a * sines), dim=-1).to(x.dtype)

        x = self.model["embed_tokens"](tokens[:, :-1])
        for layer in self.model["layers"]:
            x = layer(x, rotate)
        x = self.model["norm"](x[:, prompt_length - 1 :])
        logits = F.linear(x, self.model["embed_tokens"].weight)
        targets = tokens[:, prompt_length:]
        return -F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape).sum(1)


class Encoder(nn.Module):
    """The caption encoder, CLIPTextModel's names."""

    def __init__(self, vocabulary, width, layers, heads, intermediate, context):
        super().__init__()
        names = ("q_proj", "k_proj", "v_proj", "out_proj")
        self.text_model = nn.ModuleDict({
            "embeddings": nn.ModuleDict({
                "token_embedding": nn.Embedding(vocabulary, width),
                "position_embedding": nn.Embedding(context, width),
            }),
            "encoder": nn.ModuleDict({"layers": nn.ModuleList(
                nn.ModuleDict({
                    "layer_norm1": nn.LayerNorm(width),
                    "self_attn": Attention(width, heads, names, bias=True),
                    "layer_norm2": nn.LayerNorm(width),
                    "mlp": nn.ModuleDict({"fc1": nn.Linear(width, intermediate), "fc2": nn.Linear(intermediate, width)}),
                }) for _ in range(layers))}),
            "final_layer_norm": nn.LayerNorm(width),
        })

    def forward(self, tokens):
        model = self.text_model
        x = model["embeddings"]["token_embedding"](tokens)
        x = x + model["embeddings"]["position_embedding"].weight[: tokens.shape[1]]
        for layer in model["encoder"]["layers"]:
            x = x + layer["self_attn"](layer["layer_norm1"](x))
            x = x + layer["mlp"]["fc2"](F.silu(layer["mlp"]["fc1"](layer["layer_norm2"](x))))
        return model["final_layer_norm"](x)


class Resnet(nn.Module):
    def __init__(self, inputs, outputs, time_width, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_width, outputs)
        self.norm2 = nn.GroupNorm(groups, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x))) + self.time_emb_proj(time)[:, :, None, None]
        return self.conv_shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class GatedUnit(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)

    def forward(self, x):
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class Transformer(nn.Module):
    def __init__(self, width, context_width, heads, groups):
        super().__init__()
        names = ("to_q", "to_k", "to_v", "to_out")
        self.norm = nn.GroupNorm(groups, width, eps=1e-6)
        self.proj_in = nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([nn.ModuleDict({
            "norm1": nn.LayerNorm(width),
            "attn1": Attention(width, heads, names),
            "norm2": nn.LayerNorm(width),
            "attn2": Attention(width, heads, names, context_width),
            "norm3": nn.LayerNorm(width),
            "ff": nn.ModuleDict({"net": nn.ModuleList([GatedUnit(width), nn.Identity(), nn.Linear(4 * width, width)])}),
        })])
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x, context):
        block, size = self.transformer_blocks[0], x.shape[2:]
        h = self.proj_in(self.norm(x)).permute(0, 2, 3, 1).flatten(1, 2)  # a view: images are channels_last
        h = h + block["attn1"](block["norm1"](h))
        h = h + block["attn2"](block["norm2"](h), context)
        net = block["ff"]["net"]
        h = h + net[2](net[0](block["norm3"](h)))
        return x + self.proj_out(h.unflatten(1, size).permute(0, 3, 1, 2))


class Stage(nn.Module):
    def __init__(self, resnets, attentions=(), **resample):
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        self.attentions = nn.ModuleList(attentions)
        for name, conv in resample.items():
            self.add_module(name, nn.ModuleList([nn.ModuleDict({"conv": conv})]))


class Painter(nn.Module):
    """The UNet with two levels, without attention to the caption but in the middle; captions join the time embedding."""

    def __init__(self, channels=(16, 32), groups=8, heads=2, vocabulary=256, context_width=48):
        super().__init__()
        a, b = channels
        time = 4 * a
        resnet = lambda inputs, outputs: Resnet(inputs, outputs, time, groups)
        self.text_encoder = Encoder(vocabulary, context_width, layers=1, heads=4, intermediate=96, context=16)
        self.conv_in = nn.Conv2d(3, a, 3, padding=1)
        self.time_embedding = nn.ModuleDict({"linear_1": nn.Linear(a, time), "linear_2": nn.Linear(time, time)})
        self.class_embedding = nn.Linear(context_width, time)
        self.down_blocks = nn.ModuleList([
            Stage([resnet(a, a)], downsamplers=nn.Conv2d(a, a, 3, stride=2, padding=1)), Stage([resnet(a, b)])])
        self.mid_block = Stage([resnet(b, b), resnet(b, b)], [Transformer(b, context_width, heads, groups)])
        self.up_blocks = nn.ModuleList([
            Stage([resnet(2 * b, b), resnet(b + a, b)], upsamplers=nn.Conv2d(b, b, 3, padding=1)),
            Stage([resnet(b + a, a), resnet(2 * a, a)])])
        self.conv_norm_out = nn.GroupNorm(groups, a)
        self.conv_out = nn.Conv2d(a, 3, 3, padding=1)
        self.register_buffer("frequencies", 1e4 ** (-torch.arange(a // 2) / (a // 2)), persistent=False)

    def encode(self, captions):
        return self.text_encoder(captions)

    def forward(self, z, t, context):
        angles = t[:, None] * self.frequencies
        waves = torch.cat((angles.cos(), angles.sin()), dim=1)
        time = self.time_embedding["linear_2"](F.silu(self.time_embedding["linear_1"](waves)))
        time = F.silu(time + self.class_embedding(context[:, -1]))
        x = self.conv_in(z)
        skips = [x]
        for block in self.down_blocks:
            x = block.resnets[0](x, time)
            skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0]["conv"](x)
                skips.append(x)
        middle = self.mid_block
        x = middle.resnets[1](middle.attentions[0](middle.resnets[0](x, time), context), time)
        for block in self.up_blocks:
            for resnet in block.resnets:
                x = resnet(torch.cat((x, skips.pop()), dim=1), time)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0]["conv"](F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv_out(F.silu(self.conv_norm_out(x)))
