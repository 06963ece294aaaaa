// This library's side of the comparison with PyTorch; peer.py drives it.
//
//   peer versions              what this side is made of, a name and a version a line
//   peer export FOLDER         writes weights, inputs and what this side makes of them
//   peer time CASE THREADS     for every line read from the standard input: one sample, and its seconds as a
//                              line
//   peer memory CASE THREADS   the most memory that the process held in a few samples, above what it held at
//                              its start, MiB
#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <iostream>

#include "cases.hpp"

namespace {

using namespace peer;

/// A line of /proc/self/status, in MiB.
double memory_mib(std::string_view field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field)) return std::stod(line.substr(field.size() + 1)) / 1024;
  sysdpo::fail({"peer", std::string(field), "the system does not tell it", "Run on Linux"});
}

template <class T>
sysdpo::tensor_view view_of(std::string name, sysdpo::tensor<cpu, T> const& tensor) {
  std::vector<std::int64_t> shape;
  for (int axis = 0; axis < tensor.extents().rank(); ++axis) shape.push_back(tensor.extent(axis));
  std::span<T const> const elements(tensor.data(), static_cast<std::size_t>(tensor.size()));
  return sysdpo::view_as_tensor(std::move(name), std::move(shape), elements);
}

void export_to(std::filesystem::path const& folder) {
  sampling drawing;
  auto& models = drawing.weights();
  sysdpo::save_weights(folder / "author.safetensors", models.get<author_model>().parameters());
  sysdpo::save_weights(folder / "painter.safetensors", models.get<painter_model>().parameters());

  std::vector<std::int32_t> captions;
  std::vector<sysdpo::draw_key> keys;
  for (auto const& request : drawing.requests()) {
    auto const& caption = *std::get<0>(request.parents);
    captions.push_back(begin_token);
    captions.insert(captions.end(), caption.begin(), caption.end());
    captions.push_back(end_token);
    keys.push_back(request.key);
  }
  auto const noise = sysdpo::normal_rows<cpu, float>(keys, {16, 16, 3});
  sysdpo::tensor<cpu, float> images(noise.extents());
  auto const drawn = drawing.draw();
  for (std::size_t i = 0; i < drawn.values.size(); ++i) {
    auto const pixels = drawn.values[i].values();
    std::copy(pixels.begin(), pixels.end(), images.data() + i * pixels.size());
  }
  auto const caption_ids =
      sysdpo::tensor<cpu, std::int32_t>::from_host({images_drawn, caption_length + 2}, captions);

  sysdpo::tensor<cpu, std::int32_t> steps({images_drawn});
  for (index_t i = 0; i < images_drawn; ++i) steps.data()[i] = static_cast<std::int32_t>(1 + i * 997 % 1000);
  tape off(sysdpo::recording::off);
  auto& painting = models.get<painter_model>();
  sysdpo::packed_tokens<cpu> const packed{
      caption_ids.reshaped({caption_ids.size()}),
      sysdpo::pack_lengths<cpu>(std::vector<index_t>(images_drawn, caption_length + 2))};
  auto const prediction =
      painting.predict(off, noise, steps, painting.encode(off, packed), packed.sequences).value();

  std::vector<std::int32_t> sequences;
  std::vector<sysdpo::assignment<storybook>> pages;
  for (std::uint64_t i = 0; i < pairs_per_step; ++i) pages.push_back(some_page(i, 0));
  std::vector<sysdpo::scored_row<author::value, sysdpo::text>> rows;
  auto const append = [&](auto const& text, std::int32_t last) {
    sequences.insert(sequences.end(), text.begin(), text.end());
    sequences.push_back(last);
  };
  for (auto const& page : pages) {
    rows.push_back({.value = &sysdpo::get<writer>(page), .parents = {&sysdpo::get<prompt>(page)}});
    sequences.push_back(begin_token);
    append(sysdpo::get<prompt>(page), separator_token);
    for (std::size_t k = 0; k < 3; ++k)
      append(sysdpo::get<writer>(page)[k], k < 2 ? separator_token : end_token);
  }
  auto const log_probs = author::log_prob(off, models.get<author_model>(), policies().get<author>(),
                                          std::span(std::as_const(rows)))
                             .value();
  auto const texts = sysdpo::tensor<cpu, std::int32_t>::from_host(
      {pairs_per_step, static_cast<index_t>(sequences.size()) / pairs_per_step}, sequences);
  std::vector<sysdpo::tensor_view> const views{
      view_of("captions", caption_ids),  view_of("noise", noise),   view_of("steps", steps),
      view_of("prediction", prediction), view_of("images", images), view_of("texts", texts),
      view_of("log_probs", log_probs)};
  sysdpo::write_safetensors(folder / "check.safetensors", views);
}

void print_versions() {
  fmt::print("sysdpo {}.{}.{}\n", SYSDPO_VERSION_MAJOR, SYSDPO_VERSION_MINOR, SYSDPO_VERSION_PATCH);
  fmt::print("Eigen {}.{}.{}\n", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION);
#if SYSDPO_WITH_ONEDNN
  auto const& onednn = *dnnl_version();
  fmt::print("oneDNN {}.{}.{}\n", onednn.major, onednn.minor, onednn.patch);
#else
  fmt::print("oneDNN none\n");
#endif
#if defined(__clang__)
  fmt::print("compiler {}\n", __VERSION__);
#else
  fmt::print("compiler g++ {}\n", __VERSION__);
#endif
}

void time_case(std::string const& name) {
  auto const one = make_case(name);
  for (std::string line; std::getline(std::cin, line);) {
    one.prepare();
    auto const begin = std::chrono::steady_clock::now();
    one.run();
    std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - begin;
    std::cout << fmt::format("{:.9f}", seconds.count()) << std::endl;
  }
}

}  // namespace

int main(int count, char** arguments) try {
  std::vector<std::string> const words(arguments + 1, arguments + count);
  auto const start = memory_mib("VmRSS:");
  if (words.size() == 3) sysdpo::set_cpu_threads(std::stoi(words[2]));
  if (words.size() == 1 && words[0] == "versions") {
    print_versions();
  } else if (words.size() == 2 && words[0] == "export") {
    export_to(words[1]);
  } else if (words.size() == 3 && words[0] == "time") {
    time_case(words[1]);
  } else if (words.size() == 3 && words[0] == "memory") {
    auto const one = make_case(words[1]);
    for (int i = 0; i < 4; ++i) {
      one.prepare();
      one.run();
    }
    fmt::print("{:.1f}\n", memory_mib("VmHWM:") - start);
  } else {
    sysdpo::fail({"peer", "arguments", "they name no task", "Use peer.py, or see the head of main.cpp"});
  }
  return 0;
} catch (std::exception const& failure) {
  fmt::print(stderr, "{}\n", failure.what());
  return 1;
}
