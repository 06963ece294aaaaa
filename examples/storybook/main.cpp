// Two models that learn together, on the CPU or on a GPU: an author writes two captions, a painter draws a
// picture for each. Both begin knowing nothing, and readers who compare finished books like the brighter one.
#include <sysdpo.hpp>
#if defined(__CUDACC__)  // compiled as a .cu file
#include <sysdpo/backend/cuda.cuh>
#endif

using machine = sysdpo::cpu;                 // sysdpo::cuda: the one word that changes
using precision = sysdpo::precision<float>;  // <float, sysdpo::bf16, float> computes in 16 bits

struct wish {
  static constexpr auto name = "wish";
};
struct writer {
  static constexpr auto name = "writer";
};
template <int K>
struct panel {
  static constexpr auto name = "panel";
  static constexpr int index = K;
};
struct author_weights {
  static constexpr auto name = "author";
};
struct painter_weights {
  static constexpr auto name = "painter";
};

using author = sysdpo::autoregressive<sysdpo::transformer<author_weights>, sysdpo::list<sysdpo::text, 2>>;
using painter = sysdpo::denoising<sysdpo::unet<painter_weights>, sysdpo::image<1, 8, 8>>;
template <int K>
using illustration = sysdpo::node<panel<K>, painter, sysdpo::from<sysdpo::part<writer, K>>>;
using storybook =
    sysdpo::system<sysdpo::source<wish, sysdpo::text>, sysdpo::node<writer, author, sysdpo::from<wish>>,
                   illustration<0>, illustration<1>>;

using studio = sysdpo::models<storybook, machine, precision>;
using book = sysdpo::assignment<storybook>;

sysdpo::model_configs<storybook> sizes() {
  sysdpo::index_t const words = 8;  // 0, 1 and 2 stand between texts
  return {
      {.vocabulary = words,
       .hidden = 32,
       .layers = 2,
       .heads = 2,
       .kv_heads = 1,
       .intermediate = 64,
       .context = 32},
      {.in_channels = 1,
       .out_channels = 1,
       .sample_size = 8,
       .block_out_channels = {16, 32},
       .cross_attention = {false, true},
       .heads = 2,
       .norm_groups = 4,
       .caption_encoder = {
           .vocabulary = words, .hidden = 16, .layers = 1, .heads = 2, .intermediate = 32, .context = 32}}};
}

/// As many books as asked for, by one evening's noise; those whose captions did not come out are left out.
std::vector<book> make_books(studio& models, sysdpo::policy_options<storybook> const& policies,
                             std::size_t count, std::uint64_t evening) {
  std::vector<sysdpo::generation_request<storybook>> requests(count);
  for (std::size_t i = 0; i < count; ++i) {
    requests[i].id = i;
    get<wish>(requests[i].given) = {3};
  }
  auto drawn =
      sysdpo::generate<storybook>(models, policies, std::span(std::as_const(requests)), {.seed = evening});
  std::vector<book> books;
  for (std::size_t i = 0; i < count; ++i)
    if (drawn.valid[i]) books.push_back(std::move(drawn.values[i]));
  return books;
}

/// The mean of all pixels.
double brightness(book const& of) {
  double sum = 0;
  for (auto const& image : {get<panel<0>>(of), get<panel<1>>(of)})
    for (auto const x : image.values()) sum += static_cast<double>(x) / 128;
  return sum;
}

double mean_brightness(std::vector<book> const& books) {
  double sum = 0;
  for (auto const& each : books) sum += brightness(each) / static_cast<double>(books.size());
  return sum;
}

int main() try {
  studio policy(sizes(), 1);
  sysdpo::policy_options<storybook> policies;
  policies.get<author>() = {.sampling = {.max_new_tokens = 16}, .retries = 10};
  policies.get<painter>().sampling.steps = 10;

  auto const books = make_books(policy, policies, 256, 1);
  std::vector<sysdpo::preference<storybook>> pairs;
  for (std::size_t i = 0; i + 1 < books.size(); i += 2) {
    bool const first = brightness(books[i]) > brightness(books[i + 1]);
    pairs.push_back({.id = i, .chosen = books[first ? i : i + 1], .rejected = books[first ? i + 1 : i]});
  }

  sysdpo::trainer_options<storybook> options{.loss = {.beta = 0.01}, .steps = 40, .pairs_per_batch = 16};
  options.rates = {{1e-3, 3e-3}};
  options.loss.rejected_gradient = options.loss.rejected_gradient.all(0.3);
  options.checkpoint_activations = options.checkpoint_activations.all(true);
  std::vector const batch(pairs.begin(), pairs.begin() + options.pairs_per_batch);
  fmt::print("{}", sysdpo::estimate<precision>(sizes(), policies, batch, options).text());

  auto reference = policy;
  sysdpo::trainer<storybook, machine, precision> training(policy, reference, policies, pairs, options);
  auto const first = training.take_step();
  training.run();
  fmt::print("{}: {} pairs, loss {:.3f} at first; brightness before {:.3f}, after {:.3f}\n", machine::name,
             pairs.size(), first.at("loss"), mean_brightness(books),
             mean_brightness(make_books(policy, policies, 256, 2)));
} catch (sysdpo::error const& error) {
  fmt::print("{}\n", error.what());
  return 1;
}
