#include "measure.hpp"

namespace benchmarks {

namespace {

struct op_case {
  std::string name;
  std::vector<sysdpo::shape> inputs;  ///< each takes a gradient
  std::function<variable(tape&, std::vector<variable> const&)> run;
  std::vector<sysdpo::shape> constants{};  ///< what it reads besides
  bool backward_reads = true;              ///< whether the backward pass reads inputs and constants again
  double operations = 0;                   ///< of the forward pass; 0: bound by memory
  double backward_operations = 0;
};

using in = std::vector<variable> const&;

/// A case bound by arithmetic, `products` multiplications and additions forward and `backward` times that
/// many backward.
op_case product(std::string name, std::vector<sysdpo::shape> inputs, auto run, double products,
                double backward = 2) {
  return {.name = std::move(name),
          .inputs = std::move(inputs),
          .run = run,
          .operations = 2 * products,
          .backward_operations = 2 * products * backward};
}
/// A case bound by memory whose derivative needs its inputs, and one whose derivative does not.
op_case stream(std::string name, std::vector<sysdpo::shape> inputs, auto run,
               std::vector<sysdpo::shape> constants = {}) {
  return {
      .name = std::move(name), .inputs = std::move(inputs), .run = run, .constants = std::move(constants)};
}
op_case linear_stream(std::string name, std::vector<sysdpo::shape> inputs, auto run) {
  return {.name = std::move(name), .inputs = std::move(inputs), .run = run, .backward_reads = false};
}

/// The sizes that the cases are made of: those of the progression's models, then larger ones.
struct sizes {
  index_t tokens, hidden, intermediate, vocabulary, heads, kv_heads, sequence;  // of a transformer
  index_t images, side, channels, groups;                                       // of a UNet's level
};
constexpr sizes small{640, 64, 160, 256, 4, 2, 40, 24, 16, 32, 8};
constexpr sizes large{1024, 512, 1408, 8192, 8, 4, 256, 4, 32, 128, 32};

std::vector<op_case> cases(sizes const& s) {
  auto const n = s.tokens;
  auto const d = s.hidden;
  auto const head = d / s.heads;
  auto const pixels = s.side * s.side;
  auto const packed = sequences(n / s.sequence, s.sequence);
  auto const patches = sequences(s.images, pixels);
  constexpr index_t caption_length = 12;
  auto const captions = sequences(s.images, caption_length);
  auto const at = sysdpo::positions(packed);
  auto const table = sysdpo::make_rope_table<cpu, float>(s.sequence, head, 10000);
  auto const ids = some_ids(n, s.vocabulary);
  auto const every_row = some_ids(n, n);
  sysdpo::shape const image{s.images, s.side, s.side, s.channels};
  auto const target = random_tensor(image, 8);
  auto const reference = random_tensor(image, 9);
  auto const weight = random_tensor({s.images}, 10);
  std::vector<sysdpo::draw_key> keys(static_cast<std::size_t>(s.images));
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i].pair = i;
  sysdpo::group_norm_options const norm{.groups = s.groups, .then = sysdpo::activation::silu};
  sysdpo::shape const kernel3{s.channels, s.channels, 3, 3};
  sysdpo::shape const kernel1{s.channels, s.channels, 1, 1};
  auto const places = static_cast<double>(s.images * pixels);
  auto const channels = static_cast<double>(s.channels);
  auto const rows = static_cast<double>(n);
  auto const width = static_cast<double>(d);

  return {
      product(
          "linear", {{n, d}, {d, d}}, [](tape& t, in x) { return linear(t, x[0], x[1]); },
          rows * width * width),
      product(
          "linear with bias", {{n, d}, {4 * d, d}, {4 * d}},
          [](tape& t, in x) { return linear(t, x[0], x[1], x[2]); }, 4 * rows * width * width),
      product(
          "attention, causal", {{n, s.heads, head}, {n, s.kv_heads, head}, {n, s.kv_heads, head}},
          [=](tape& t, in x) { return attention(t, x[0], x[1], x[2], packed, packed, {.causal = true}); },
          rows * static_cast<double>(s.sequence + 1) * width,  // two products over half of all pairs
          2.5),
      product(
          "attention to captions",
          {{s.images * pixels, s.heads, s.channels / s.heads},
           {captions.total, s.heads, s.channels / s.heads},
           {captions.total, s.heads, s.channels / s.heads}},
          [=](tape& t, in x) { return attention(t, x[0], x[1], x[2], patches, captions); },
          2 * places * caption_length * channels, 2.5),
      product(
          "head_log_prob", {{n, d}, {s.vocabulary, d}},
          [=](tape& t, in x) { return head_log_prob(t, x[0], x[1], ids); },
          rows * width * static_cast<double>(s.vocabulary), 3),
      product(
          "conv2d 3x3", {image, kernel3},
          [](tape& t, in x) { return conv2d(t, x[0], x[1], {}, {.padding = 1}); },
          9 * places * channels * channels),
      product(
          "conv2d 3x3, stride 2", {image, kernel3},
          [](tape& t, in x) { return conv2d(t, x[0], x[1], {}, {.stride = 2, .padding = 1}); },
          9 * places / 4 * channels * channels),
      product(
          "conv2d 1x1", {image, kernel1}, [](tape& t, in x) { return conv2d(t, x[0], x[1], {}); },
          places * channels * channels),
      stream("log_softmax_gather", {{n, s.vocabulary}},
             [=](tape& t, in x) { return log_softmax_gather(t, x[0], ids); }),
      stream("rms_norm", {{n, d}, {d}}, [](tape& t, in x) { return rms_norm(t, x[0], x[1]); }),
      stream("layer_norm", {{n, d}, {d}, {d}}, [](tape& t, in x) { return layer_norm(t, x[0], x[1], x[2]); }),
      stream("group_norm, silu", {image, {s.channels}, {s.channels}},
             [=](tape& t, in x) { return group_norm(t, x[0], x[1], x[2], norm); }),
      stream("swiglu", {{n, s.intermediate}, {n, s.intermediate}},
             [](tape& t, in x) { return swiglu(t, x[0], x[1]); }),
      stream("geglu", {{n, 2 * s.intermediate}}, [](tape& t, in x) { return geglu(t, x[0]); }),
      stream("silu", {image}, [](tape& t, in x) { return silu(t, x[0]); }),
      stream("denoising_loss", {image},
             [=](tape& t, in x) { return denoising_loss(t, x[0], target, weight, sysdpo::reduction::mean); },
             {image}),
      stream("denoising_log_ratio", {image},
             [=](tape& t, in x) {
               return denoising_log_ratio(t, x[0], reference, target, weight, sysdpo::reduction::mean);
             },
             {image, image}),
      stream("add_noise", {image},
             [=](tape& t, in x) {
               return t.constant(
                   add_noise(x[0].value(), keys, weight, weight, sysdpo::denoising_target::noise).noisy);
             }),
      stream("diffusion_step", {image},
             [=](tape& t, in x) {
               return t.constant(diffusion_step(x[0].value(), target, reference, {.next_of_noise = 0.1}));
             },
             {image, image}),
      linear_stream("rope", {{n, s.heads, head}}, [=](tape& t, in x) { return rope(t, x[0], at, table); }),
      linear_stream("embedding", {{n, d}}, [=](tape& t, in x) { return embedding(t, x[0], every_row); }),
      linear_stream("segment_sum", {{n}}, [=](tape& t, in x) { return segment_sum(t, x[0], packed); }),
      linear_stream("add", {image, image}, [](tape& t, in x) { return add(t, x[0], x[1]); }),
      linear_stream("scale", {image}, [](tape& t, in x) { return scale(t, x[0], 0.5); }),
      linear_stream("add_rows", {image, {s.images, s.channels}},
                    [](tape& t, in x) { return add_rows(t, x[0], x[1]); }),
      linear_stream("concat", {image, image}, [](tape& t, in x) { return concat(t, x[0], x[1]); }),
      linear_stream("upsample", {image}, [](tape& t, in x) { return upsample(t, x[0]); }),
  };
}

/// A case with its operands, to be run forward and backward again and again.
class runner {
 public:
  explicit runner(op_case op) : op_(std::move(op)), slots_(op_.inputs.size()) {
    for (auto const& input : op_.inputs) values_.push_back(random_tensor(input, values_.size()));
    forward();
    upstream_ = random_tensor(result_.extents(), 99);
  }

  void forward() {
    tape_.reset();
    std::vector<variable> inputs;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      slots_[i].clear();
      inputs.push_back(tape_.watch(values_[i], slots_[i]));
    }
    result_ = op_.run(tape_, inputs);
  }
  void backward() { tape_.backward(result_, upstream_); }

  /// The forward pass as a benchmark and, where there is one, the backward pass.
  static std::vector<benchmark> benchmarks_of(op_case const& op) {
    auto const self = std::make_shared<runner>(op);
    auto const limit = op.operations > 0 ? bound::compute : bound::memory;
    auto const reads = bytes_of(op.inputs) + bytes_of(op.constants);
    auto const result = bytes_of({self->result_.extents()});
    std::string shapes;
    for (auto const& input : op.inputs) shapes += (shapes.empty() ? "" : " ") + to_string(input);
    std::vector<benchmark> made{{op.name, shapes, "forward", limit,
                                 limit == bound::compute ? op.operations : reads + result,
                                 [self] { self->forward(); }}};
    if (self->result_.wants_gradient())
      made.push_back({op.name, shapes, "backward", limit,
                      limit == bound::compute
                          ? op.backward_operations
                          : result + (op.backward_reads ? reads : 0) + bytes_of(op.inputs),
                      [self] { self->backward(); }, [self] { self->forward(); }});
    return made;
  }

 private:
  static double bytes_of(std::vector<sysdpo::shape> const& all) {
    double bytes = 0;
    for (auto const& extents : all) bytes += static_cast<double>(extents.size()) * sizeof(float);
    return bytes;
  }

  op_case op_;
  std::vector<tensor> values_;
  std::vector<sysdpo::gradient_slot<cpu, float>> slots_;
  tape tape_;
  variable result_;
  tensor upstream_;
};

}  // namespace

std::vector<benchmark> op_benchmarks() {
  std::vector<benchmark> made;
  for (auto const& size : {small, large})
    for (auto const& op : cases(size))
      for (auto& pass : runner::benchmarks_of(op)) made.push_back(std::move(pass));
  return made;
}

}  // namespace benchmarks
