// Arbitrary bytes as a safetensors file: what is accepted can be read to the last byte, and is written and
// read back as it was.
#include "sysdpo/io/safetensors.hpp"

#include <algorithm>
#include <vector>

#include "input.hpp"

void run_one(std::string_view input) {
  auto const path = fuzz::folder() / "input.safetensors";
  auto const copy = fuzz::folder() / "copy.safetensors";
  fuzz::write(path, input);
  fuzz::accepts([&] {
    sysdpo::safetensors_file const file(path);
    std::vector<sysdpo::tensor_view> tensors;
    for (auto const& [name, tensor] : file.tensors()) {
      tensors.push_back(tensor);
      std::vector<float> numbers(tensor.size());
      fuzz::accepts([&] { sysdpo::copy_elements(tensor, std::span(numbers)); });
    }
    sysdpo::write_safetensors(copy, tensors, file.metadata());
    fuzz::demand(fuzz::accepts([&] {
                   sysdpo::safetensors_file const again(copy);
                   fuzz::demand(again.metadata() == file.metadata(), "metadata survives a copy");
                   fuzz::demand(again.names() == file.names(), "names survive a copy");
                   for (auto const& tensor : tensors) {
                     auto const& copied = again.find(tensor.name);
                     fuzz::demand(copied.type == tensor.type && copied.shape == tensor.shape &&
                                      std::ranges::equal(copied.bytes, tensor.bytes),
                                  "tensors survive a copy");
                   }
                 }),
                 "what was written can be read");
  });
}
