// Everything, from the bottom of the house to its top.
#pragma once

/// \namespace sysdpo
/// All that is public.

#include <sysdpo/core/array_view.hpp>
#include <sysdpo/core/config.hpp>
#include <sysdpo/core/error.hpp>
#include <sysdpo/core/hash.hpp>
#include <sysdpo/core/philox.hpp>
#include <sysdpo/core/scalar.hpp>

#include <sysdpo/graph/checks.hpp>
#include <sysdpo/graph/graphviz.hpp>
#include <sysdpo/graph/hash_values.hpp>
#include <sysdpo/graph/node.hpp>
#include <sysdpo/graph/preference.hpp>
#include <sysdpo/graph/system.hpp>
#include <sysdpo/graph/type_list.hpp>
#include <sysdpo/graph/value.hpp>

#include <sysdpo/kernel/adamw.hpp>
#include <sysdpo/kernel/add_noise.hpp>
#include <sysdpo/kernel/attention.hpp>
#include <sysdpo/kernel/attention_backward.hpp>
#include <sysdpo/kernel/attention_layout.hpp>
#include <sysdpo/kernel/block.hpp>
#include <sysdpo/kernel/denoising_loss.hpp>
#include <sysdpo/kernel/embedding.hpp>
#include <sysdpo/kernel/geglu.hpp>
#include <sysdpo/kernel/gradient_clip.hpp>
#include <sysdpo/kernel/group_norm.hpp>
#include <sysdpo/kernel/log_softmax_gather.hpp>
#include <sysdpo/kernel/number.hpp>
#include <sysdpo/kernel/rope.hpp>
#include <sysdpo/kernel/row_norm.hpp>
#include <sysdpo/kernel/swiglu.hpp>
#include <sysdpo/kernel/tile.hpp>

#include <sysdpo/backend/concept.hpp>
#include <sysdpo/backend/cpu.hpp>
#include <sysdpo/backend/cpu/add_noise.hpp>
#include <sysdpo/backend/cpu/add_rows.hpp>
#include <sysdpo/backend/cpu/attention.hpp>
#include <sysdpo/backend/cpu/backend.hpp>
#include <sysdpo/backend/cpu/channel_blocks.hpp>
#include <sysdpo/backend/cpu/check_ids.hpp>
#include <sysdpo/backend/cpu/concat.hpp>
#include <sysdpo/backend/cpu/conv2d.hpp>
#include <sysdpo/backend/cpu/conv2d_geometry.hpp>
#include <sysdpo/backend/cpu/denoising_loss.hpp>
#include <sysdpo/backend/cpu/diffusion_step.hpp>
#include <sysdpo/backend/cpu/elementwise.hpp>
#include <sysdpo/backend/cpu/embedding.hpp>
#include <sysdpo/backend/cpu/gathered_product.hpp>
#include <sysdpo/backend/cpu/geglu.hpp>
#include <sysdpo/backend/cpu/group_norm.hpp>
#include <sysdpo/backend/cpu/head_log_prob.hpp>
#include <sysdpo/backend/cpu/layer_norm.hpp>
#include <sysdpo/backend/cpu/linear.hpp>
#include <sysdpo/backend/cpu/log_softmax_gather.hpp>
#include <sysdpo/backend/cpu/matrix.hpp>
#include <sysdpo/backend/cpu/normal_distribution.hpp>
#include <sysdpo/backend/cpu/onednn.hpp>
#include <sysdpo/backend/cpu/optimizer.hpp>
#include <sysdpo/backend/cpu/parallel.hpp>
#include <sysdpo/backend/cpu/partial_sums.hpp>
#include <sysdpo/backend/cpu/positions.hpp>
#include <sysdpo/backend/cpu/preference.hpp>
#include <sysdpo/backend/cpu/rms_norm.hpp>
#include <sysdpo/backend/cpu/rope.hpp>
#include <sysdpo/backend/cpu/scatter_rows.hpp>
#include <sysdpo/backend/cpu/scratch.hpp>
#include <sysdpo/backend/cpu/segment_sum.hpp>
#include <sysdpo/backend/cpu/silu.hpp>
#include <sysdpo/backend/cpu/small_product.hpp>
#include <sysdpo/backend/cpu/swiglu.hpp>
#include <sysdpo/backend/cpu/timestep_embedding.hpp>
#include <sysdpo/backend/cpu/upsample.hpp>
#include <sysdpo/backend/cpu/winograd.hpp>
#include <sysdpo/backend/memory_pool.hpp>
#include <sysdpo/backend/planned.hpp>

#include <sysdpo/tensor/checkpoint.hpp>
#include <sysdpo/tensor/packed.hpp>
#include <sysdpo/tensor/parameter.hpp>
#include <sysdpo/tensor/precision.hpp>
#include <sysdpo/tensor/tape.hpp>
#include <sysdpo/tensor/tensor.hpp>

#include <sysdpo/io/eigen.hpp>
#include <sysdpo/io/file.hpp>
#include <sysdpo/io/json.hpp>
#include <sysdpo/io/jsonl.hpp>
#include <sysdpo/io/preferences.hpp>
#include <sysdpo/io/safetensors.hpp>

#include <sysdpo/text/vocabulary.hpp>

#include <sysdpo/op/add.hpp>
#include <sysdpo/op/add_noise.hpp>
#include <sysdpo/op/add_rows.hpp>
#include <sysdpo/op/attention.hpp>
#include <sysdpo/op/check_ids.hpp>
#include <sysdpo/op/concat.hpp>
#include <sysdpo/op/conv2d.hpp>
#include <sysdpo/op/denoising_loss.hpp>
#include <sysdpo/op/diffusion_step.hpp>
#include <sysdpo/op/embedding.hpp>
#include <sysdpo/op/geglu.hpp>
#include <sysdpo/op/group_norm.hpp>
#include <sysdpo/op/head_log_prob.hpp>
#include <sysdpo/op/layer_norm.hpp>
#include <sysdpo/op/linear.hpp>
#include <sysdpo/op/log_softmax_gather.hpp>
#include <sysdpo/op/positions.hpp>
#include <sysdpo/op/rms_norm.hpp>
#include <sysdpo/op/rope.hpp>
#include <sysdpo/op/scale.hpp>
#include <sysdpo/op/scatter_rows.hpp>
#include <sysdpo/op/segment_sum.hpp>
#include <sysdpo/op/silu.hpp>
#include <sysdpo/op/swiglu.hpp>
#include <sysdpo/op/timestep_embedding.hpp>
#include <sysdpo/op/upsample.hpp>

#include <sysdpo/model/caption_encoder.hpp>
#include <sysdpo/model/layers.hpp>
#include <sysdpo/model/models.hpp>
#include <sysdpo/model/parameters.hpp>
#include <sysdpo/model/table.hpp>
#include <sysdpo/model/transformer.hpp>
#include <sysdpo/model/unet.hpp>
#include <sysdpo/model/unet_blocks.hpp>

#include <sysdpo/policy/autoregressive.hpp>
#include <sysdpo/policy/concept.hpp>
#include <sysdpo/policy/denoising.hpp>
#include <sysdpo/policy/deterministic.hpp>
#include <sysdpo/policy/diffusion_sampling.hpp>
#include <sysdpo/policy/noise_schedule.hpp>
#include <sysdpo/policy/options.hpp>
#include <sysdpo/policy/tabular.hpp>
#include <sysdpo/policy/token_sampling.hpp>

#include <sysdpo/loss/link.hpp>
#include <sysdpo/loss/log_ratio.hpp>
#include <sysdpo/loss/metrics.hpp>
#include <sysdpo/loss/preference.hpp>
#include <sysdpo/loss/reference_scores.hpp>

#include <sysdpo/optim/adamw.hpp>
#include <sysdpo/optim/moving_average.hpp>
#include <sysdpo/optim/schedule.hpp>

#include <sysdpo/train/audit.hpp>
#include <sysdpo/train/callbacks.hpp>
#include <sysdpo/train/checkpoint.hpp>
#include <sysdpo/train/config_json.hpp>
#include <sysdpo/train/estimate.hpp>
#include <sysdpo/train/fingerprint.hpp>
#include <sysdpo/train/generate.hpp>
#include <sysdpo/train/out_of_memory.hpp>
#include <sysdpo/train/progress.hpp>
#include <sysdpo/train/reference_cache.hpp>
#include <sysdpo/train/rounds.hpp>
#include <sysdpo/train/system_folder.hpp>
#include <sysdpo/train/tensorboard.hpp>
#include <sysdpo/train/trainer.hpp>
#include <sysdpo/train/weights.hpp>
