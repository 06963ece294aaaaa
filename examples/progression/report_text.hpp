// The report's fixed words and drawing: row names, the system's graph, the notes at the end.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace progression::detail {

struct system_label {
  std::string_view key, name, note;
};

/// The rows of the results table, in its order.
inline constexpr std::array<system_label, 9> system_labels{{
    {"before", "Before alignment", "both models as pre-trained"},
    {"best_of_4", "Best of 4", "four sequences drawn before alignment, the regressor picks one"},
    {"caption_oracle", "Caption oracle", "the best captions one can write, unaligned painter"},
    {"sft_on_winners", "Winners imitated", "both models trained on the preferred sequences alone"},
    {"language_model_only", "Language model only", "the painter stays frozen"},
    {"diffusion_only", "Diffusion model only", "the writer stays frozen"},
    {"per_component", "Per component", "the two models above, put together"},
    {"sysdpo_offline", "SysDPO, one round", "as many pairs, all made by the unaligned system"},
    {"sysdpo", "SysDPO", "both models, one loss for the system, fresh pairs every round"},
}};

/// What people call the row `key`; an unknown one keeps its key.
inline system_label label_of(std::string_view key) {
  auto const found =
      std::find_if(system_labels.begin(), system_labels.end(), [key](auto const& l) { return l.key == key; });
  return found == system_labels.end() ? system_label{key, key, ""} : *found;
}

// The system's graph, drawn twice: across for a desktop, downwards for a phone.
inline constexpr std::string_view system_diagram =
    R"svg(<svg class="diagram wide" viewBox="0 0 820 250" role="img"
 aria-label="A prompt goes to the writer, whose three captions go to one painter each; the painters are one model">
<path d="M150 125H196M350 125H396M536 125C560 125 556 45 586 45M536 125H586M536 125C560 125 556 205 586 205M720 45H744M720 125H744M720 205H744"/>
<path class="head" d="M194 120l9 5-9 5zM394 120l9 5-9 5zM584 40l9 5-9 5zM584 120l9 5-9 5zM584 200l9 5-9 5zM742 40l9 5-9 5zM742 120l9 5-9 5zM742 200l9 5-9 5z"/>
<g><rect x="20" y="95" width="130" height="60" rx="10"/><text x="85" y="121">prompt</text><text class="small" x="85" y="140">x</text></g>
<g class="learned"><rect x="204" y="85" width="146" height="80" rx="10"/><text x="277" y="115">writer</text><text class="small" x="277" y="134">a transformer</text><text class="small" x="277" y="151">exact likelihood</text></g>
<g><rect x="404" y="85" width="132" height="80" rx="10"/><text x="470" y="121">captions</text><text class="small" x="470" y="140">y₁, y₂, y₃</text></g>
<g class="learned"><rect x="594" y="17" width="126" height="56" rx="10"/><text x="657" y="50">painter</text><rect x="594" y="97" width="126" height="56" rx="10"/><text x="657" y="122">painter</text><text class="small" x="657" y="140">the same UNet</text><rect x="594" y="177" width="126" height="56" rx="10"/><text x="657" y="210">painter</text></g>
<g><rect x="752" y="23" width="48" height="44" rx="8"/><text x="776" y="50">z₁</text><rect x="752" y="103" width="48" height="44" rx="8"/><text x="776" y="130">z₂</text><rect x="752" y="183" width="48" height="44" rx="8"/><text x="776" y="210">z₃</text></g>
</svg><svg class="diagram tall" viewBox="0 0 340 400" role="img" aria-label="The same graph, drawn downwards">
<path d="M170 52V72M170 152V172M170 228C170 250 54 236 54 256M170 228V256M170 228C170 250 286 236 286 256M54 320V340M170 320V340M286 320V340"/>
<path class="head" d="M165 70l5 9 5-9zM165 170l5 9 5-9zM49 254l5 9 5-9zM165 254l5 9 5-9zM281 254l5 9 5-9zM49 338l5 9 5-9zM165 338l5 9 5-9zM281 338l5 9 5-9z"/>
<g><rect x="105" y="4" width="130" height="48" rx="10"/><text x="170" y="33">prompt x</text></g>
<g class="learned"><rect x="97" y="80" width="146" height="72" rx="10"/><text x="170" y="106">writer</text><text class="small" x="170" y="124">a transformer</text><text class="small" x="170" y="141">exact likelihood</text></g>
<g><rect x="84" y="180" width="172" height="48" rx="10"/><text x="170" y="209">captions y₁, y₂, y₃</text></g>
<g class="learned"><rect x="4" y="264" width="100" height="56" rx="10"/><text x="54" y="297">painter</text><rect x="120" y="264" width="100" height="56" rx="10"/><text x="170" y="289">painter</text><text class="small" x="170" y="307">the same UNet</text><rect x="236" y="264" width="100" height="56" rx="10"/><text x="286" y="297">painter</text></g>
<g><rect x="30" y="348" width="48" height="44" rx="8"/><text x="54" y="375">z₁</text><rect x="146" y="348" width="48" height="44" rx="8"/><text x="170" y="375">z₂</text><rect x="262" y="348" width="48" height="44" rx="8"/><text x="286" y="375">z₃</text></g>
</svg>)svg";

// What a reader must know before quoting a number.
inline constexpr std::string_view honest_notes = R"html(<ul>
<li>This world is not the poster's. There, an 8-billion-parameter language model and a photographic diffusion model make the
pictures; here, two small models pre-trained from nothing draw 24 × 24 landscapes. Compare rows within this table, never with theirs.</li>
<li>Both models are imperfect because their pre-training data is: most of the writer's examples are in no order, and a part of the painter's
pictures does not show the level that its caption names. Nothing is added at sampling. No caption avoids the painter's faults, so the
caption oracle is about the ceiling for training the language model alone.</li>
<li>A regressor, trained on rendered pictures, reads the attribute off every image; the renderer's own numbers are never used. It has
errors of its own, shown above, and it both ranks the pairs and scores the test.</li>
<li>q = (a₃ − a₁) − |a₁ − 2a₂ + a₃| is this project's reading of the poster's “order and evenness”. Chance order is 1 in 6.</li>
<li>The denoising loss stands in for a likelihood that a diffusion model does not give; its log-ratios are surrogates.</li>
<li>Standard errors are over seeds that share one pre-trained system, so they do not cover the luck of pre-training. The lead's error
is a bootstrap over seeds and prompts of paired differences: same prompts, same noise.</li>
</ul>)html";

}  // namespace progression::detail
