#include <fmt/format.h>
#include <fmt/ranges.h>

#include "measure.hpp"
#include "storybook.hpp"

namespace benchmarks {

namespace {

sysdpo::transformer_config const small_author{.vocabulary = 256,
                                              .hidden = 64,
                                              .layers = 2,
                                              .heads = 4,
                                              .kv_heads = 2,
                                              .intermediate = 160,
                                              .context = 64};
sysdpo::transformer_config const large_author{.vocabulary = 8192,
                                              .hidden = 256,
                                              .layers = 4,
                                              .heads = 4,
                                              .kv_heads = 2,
                                              .intermediate = 704,
                                              .context = 256};

sysdpo::unet_config painter_of(index_t side, std::vector<index_t> channels, index_t hidden) {
  std::vector<bool> cross_attention(channels.size(), true);
  cross_attention[0] = false;
  return {.sample_size = side,
          .block_out_channels = std::move(channels),
          .cross_attention = std::move(cross_attention),
          .caption_encoder = {.vocabulary = 256, .hidden = hidden, .intermediate = 2 * hidden}};
}
sysdpo::unet_config const small_painter = painter_of(16, {16, 32}, 48);
sysdpo::unet_config const large_painter = painter_of(32, {64, 128, 128}, 128);

/// Operations of one forward pass in products with weights: each weight takes part once at each of
/// `positions(its name)` places. Products of activations (attention's scores) are not counted.
double forward_operations(auto const& model, auto const& positions) {
  double sum = 0;
  for (auto const& weight : model.parameters())
    if (weight.value.extents().rank() > 1)
      sum += 2 * static_cast<double>(weight.value.size()) * positions(weight.name);
  return sum;
}

/// `scored` of the tokens go through the head, which is the embedding.
double author_operations(auto const& model, index_t tokens, index_t scored) {
  return forward_operations(model, [&](std::string_view name) {
    return static_cast<double>(name == "model.embed_tokens.weight" ? scored : tokens);
  });
}

double painter_operations(auto const& model, index_t images, index_t caption_tokens) {
  auto const side = model.config().sample_size;
  auto const levels = static_cast<int>(model.config().block_out_channels.size());
  return forward_operations(model, [&](std::string_view name) {
    auto const has = [&](std::string_view part) { return name.find(part) != name.npos; };
    if (has("embeddings.")) return 0.0;
    if (has("text_encoder.") || has("attn2.to_k") || has("attn2.to_v"))
      return static_cast<double>(caption_tokens);
    if (has("time_emb")) return static_cast<double>(images);
    auto level = 0;  // how often the image was halved
    if (has("mid_block")) level = levels - 1;
    if (name.starts_with("down_blocks.")) level = name[12] - '0' + (has("downsamplers") ? 1 : 0);
    if (name.starts_with("up_blocks.")) level = levels - 1 - (name[10] - '0') - (has("upsamplers") ? 1 : 0);
    return static_cast<double>(images * (side >> level) * (side >> level));
  });
}

std::vector<std::int32_t> some_text(index_t length, index_t vocabulary) {
  auto text = some_ids(length, vocabulary - 3).to_host();
  for (auto& token : text) token += 3;
  return text;
}

/// One scoring of `count` sequences and its backward pass; sampling of as many.
void add_author(std::vector<benchmark>& to, sysdpo::transformer_config const& config, index_t count,
                index_t length) {
  auto const model = std::make_shared<sysdpo::transformer_model<cpu, precision>>(config);
  auto const recorded = std::make_shared<tape>();
  auto const total = count * length;
  sysdpo::packed_tokens<cpu> const tokens{some_ids(total, config.vocabulary), sequences(count, length)};
  auto const ones = tensor::from_host({total}, std::vector(static_cast<std::size_t>(total), 1.0F));
  auto const shape = fmt::format("{} x {} tokens, hidden {}", count, length, config.hidden);
  to.push_back({"transformer", shape, "forward and backward", bound::compute,
                3 * author_operations(*model, total, total), [=] {
                  model->parameters().clear_gradients();
                  auto const hidden = model->hidden(*recorded, tokens);
                  recorded->backward(head_log_prob(*recorded, hidden, model->head(*recorded), tokens.ids),
                                     ones);
                }});
  std::vector<std::vector<std::int32_t>> const prompts(static_cast<std::size_t>(count),
                                                       some_text(4, config.vocabulary));
  std::vector<sysdpo::draw_key> keys(prompts.size());
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i].pair = i;
  auto const drawn = length - 4;
  to.push_back({"token sampling", shape, "sampling", bound::compute,
                author_operations(*model, count * (length - 1), count * drawn), [=] {
                  static_cast<void>(
                      sysdpo::sample_tokens(*model, prompts, -1, {.max_new_tokens = drawn}, keys));
                }});
}

/// One denoising loss of `images` images and its backward pass; sampling of as many in ten steps.
void add_painter(std::vector<benchmark>& to, sysdpo::unet_config const& config, index_t images) {
  auto const model = std::make_shared<sysdpo::unet_model<cpu, precision>>(config);
  auto const recorded = std::make_shared<tape>();
  constexpr index_t caption_length = 12;
  sysdpo::packed_tokens<cpu> const captions{
      some_ids(images * caption_length, config.caption_encoder.vocabulary),
      sequences(images, caption_length)};
  sysdpo::shape const extents{images, config.sample_size, config.sample_size, config.in_channels};
  auto const noisy = random_tensor(extents, 1);
  auto const target = random_tensor(extents, 2);
  auto const ones = tensor::from_host({images}, std::vector(static_cast<std::size_t>(images), 1.0F));
  auto const steps = some_ids(images, 1000);
  auto const shape = fmt::format("{} x {} x {} x {}, channels {}", images, config.sample_size,
                                 config.sample_size, config.in_channels, config.block_out_channels);
  auto const work = painter_operations(*model, images, captions.sequences.total);
  to.push_back({"UNet", shape, "forward and backward", bound::compute, 3 * work, [=] {
                  model->parameters().clear_gradients();
                  auto const condition = model->encode(*recorded, captions);
                  auto const predicted =
                      model->predict(*recorded, noisy, steps, condition, captions.sequences);
                  recorded->backward(
                      denoising_loss(*recorded, predicted, target, ones, sysdpo::reduction::mean), ones);
                }});
  std::vector<sysdpo::draw_key> keys(static_cast<std::size_t>(images));
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i].pair = i;
  constexpr int evaluations = 10;
  to.push_back({"image sampling", shape + ", 10 steps", "sampling", bound::compute, evaluations * work, [=] {
                  tape off(sysdpo::recording::off);
                  auto const condition = model->encode(off, captions);
                  auto const predict = [&](tensor const& z, auto const& t) {
                    return model->predict(off, z, t, condition, captions.sequences).value();
                  };
                  static_cast<void>(sysdpo::sample_diffusion<cpu, float>(
                      predict, sysdpo::noise_schedule{}, sysdpo::prediction_kind::epsilon,
                      {.steps = evaluations}, {extents[1], extents[2], extents[3]}, keys));
                }});
  auto const optimizer = std::make_shared<sysdpo::adamw<cpu, precision>>();
  auto const weights = static_cast<double>(model->parameters().elements());
  to.push_back({"AdamW", fmt::format("{} weights", weights), "step", bound::memory,
                7 * sizeof(float) * weights, [=] { optimizer->step(model->parameters(), 1e-6); }});
}

/// One step of SysDPO: log-ratios of all nodes, their gradients, both optimisers.
void add_storybook(std::vector<benchmark>& to, std::size_t count) {
  struct training {
    storybook_models policy{{small_author, small_painter}};
    storybook_models reference = policy;
    std::vector<sysdpo::preference<storybook>> pairs;
    std::vector<sysdpo::pair_visit<storybook>> visits;
    std::vector<sysdpo::adamw<cpu, precision>> optimizers{2, sysdpo::adamw<cpu, precision>{}};
  };
  constexpr index_t prompt_length = 10;
  constexpr index_t caption_length = 8;
  auto const self = std::make_shared<training>();
  sysdpo::assignment<storybook> page;
  auto const caption = some_text(caption_length, 256);
  sysdpo::get<prompt>(page) = some_text(prompt_length, 256);
  sysdpo::get<writer>(page) = {caption, caption, caption};
  sysdpo::get<panel<0>>(page) = sysdpo::pixels<3, 16, 16>(random_tensor({768}, 1).to_host());
  sysdpo::get<panel<1>>(page) = sysdpo::get<panel<0>>(page);
  sysdpo::get<panel<2>>(page) = sysdpo::get<panel<0>>(page);
  for (std::size_t i = 0; i < count; ++i) self->pairs.push_back({.id = i, .chosen = page, .rejected = page});
  for (auto const& pair : self->pairs) self->visits.push_back({&pair, 0});

  auto const rows = 2 * static_cast<index_t>(count);
  auto const scored = 3 * (caption_length + 1);
  auto const forward =
      author_operations(self->policy.get<author_model>(), rows * (prompt_length + 1 + scored),
                        rows * scored) +
      painter_operations(self->policy.get<painter_model>(), 3 * rows, 3 * rows * (caption_length + 2));
  for (auto const two_pass : {false, true}) {
    auto const loss = std::make_shared<sysdpo::preference_loss<storybook, cpu, precision>>(
        self->policy, self->reference, sysdpo::policy_options<storybook>{},
        sysdpo::preference_options<storybook>{.two_pass = two_pass});
    // Policy forward (twice in two passes) and backward, reference forward.
    to.push_back({"SysDPO", fmt::format("{} pairs of 3 captions, 3 images of 16 x 16", count),
                  two_pass ? "step, two passes" : "step", bound::compute, (two_pass ? 5 : 4) * forward, [=] {
                    self->policy.for_each([](auto, auto& model) { model.parameters().clear_gradients(); });
                    loss->accumulate(self->visits);
                    self->policy.for_each([&](auto index, auto& model) {
                      self->optimizers[index].step(model.parameters(), 1e-6);
                    });
                  }});
  }
}

}  // namespace

std::vector<benchmark> step_benchmarks() {
  std::vector<benchmark> made;
  add_author(made, small_author, 16, 40);
  add_author(made, large_author, 8, 128);
  add_painter(made, small_painter, 48);
  add_painter(made, large_painter, 8);
  add_storybook(made, 8);
  return made;
}

}  // namespace benchmarks
