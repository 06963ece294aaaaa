#include "sysdpo/io/safetensors.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using Catch::Contains;
using sysdpo::dtype;
using sysdpo::tensor_view;

namespace {

using strings = std::vector<std::string>;

// A file with the given header text and data.
std::string file_of(std::string const& header, std::string const& data) {
  std::uint64_t const length = header.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + header + data;
}

// Written by the Python package safetensors 0.8.0: save_file({"b": np.array([[1.5, -2]], np.float32),
// "a": np.array([7], np.uint8)}, path, {"k": "v"}).
std::string const golden =
    file_of(R"({"__metadata__":{"k":"v"},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
            R"("a":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}}   )",
            std::string("\x00\x00\xc0\x3f\x00\x00\x00\xc0\x07", 9));

struct case_of_fault {
  std::string header;
  std::string data;
  std::string message;
};

}  // namespace

TEST_CASE("a file of another implementation is read", "[safetensors]") {
  test::temporary_directory const folder;
  sysdpo::write_file(folder / "x", golden);
  sysdpo::safetensors_file file(folder / "x");
  sysdpo::safetensors_file const moved = std::move(file);
  CHECK(moved.names() == strings{"a", "b"});
  CHECK(moved.metadata() == sysdpo::string_map{{"k", "v"}});
  CHECK(moved.contains("a"));
  CHECK_FALSE(moved.contains("__metadata__"));

  tensor_view const& b = moved.find("b");
  CHECK(b.type == dtype::f32);
  CHECK(b.shape == std::vector<std::int64_t>{1, 2});
  std::vector<float> values(2);
  sysdpo::copy_elements(b, std::span(values));
  CHECK(values == std::vector<float>{1.5f, -2.0f});
  CHECK(moved.find("a").bytes[0] == std::byte{7});
  CHECK_THROWS_WITH(moved.find("c"), Contains("tensor 'c'") && Contains("no such tensor"));
}

// That implementation reads our files as well: its load_file gave back names, shapes, dtypes and values of a
// file with F32, F64, F16, BF16, I32, I64 and U8 tensors, a scalar and an empty one. What is checked here is
// our own way back.
TEST_CASE("every dtype is written and read back", "[safetensors]") {
  test::temporary_directory const folder;
  std::vector<float> const f{1.0f, -0.0f, 3.25f, 1e-40f, INFINITY, 5.0f};
  std::vector<double> const d{1e300};
  std::vector<sysdpo::bf16> const b{sysdpo::bf16(1.5f), sysdpo::bf16(-2.0f)};
  std::vector<sysdpo::half> const h{sysdpo::half(0.5f)};
  std::vector<std::int32_t> const i{-1, 2};
  std::vector<std::int64_t> const l{-1};
  std::vector<std::uint8_t> const u{1, 2, 3};
  std::vector<tensor_view> const written{
      sysdpo::view_as_tensor("u", {3}, std::span(u)),
      sysdpo::view_as_tensor("layer.0/\"quoted\" \xc3\xa9", {2, 3}, std::span(f)),
      sysdpo::view_as_tensor("d", {}, std::span(d)),
      sysdpo::view_as_tensor("b", {2}, std::span(b)),
      sysdpo::view_as_tensor("h", {1, 1, 1}, std::span(h)),
      sysdpo::view_as_tensor("i", {2}, std::span(i)),
      sysdpo::view_as_tensor("l", {1}, std::span(l)),
      sysdpo::view_as_tensor("empty", {0, 4}, std::span(f).first(0)),
  };
  sysdpo::write_safetensors(folder / "x", written, {{"format", "pt"}, {"step", "12"}});

  sysdpo::safetensors_file const file(folder / "x");
  CHECK(file.names().size() == written.size());
  CHECK(file.metadata().at("step") == "12");
  for (auto const& tensor : written) {
    CAPTURE(tensor.name);
    auto const& read = file.find(tensor.name);
    CHECK(read.type == tensor.type);
    CHECK(read.shape == tensor.shape);
    CHECK(std::ranges::equal(read.bytes, tensor.bytes));
    auto const address = reinterpret_cast<std::uintptr_t>(read.bytes.data());
    CHECK((read.bytes.empty() || address % sysdpo::size_of(read.type) == 0));
  }

  sysdpo::write_safetensors(folder / "none", {});
  CHECK(sysdpo::safetensors_file(folder / "none").names().empty());
}

TEST_CASE("elements convert between floating-point types only", "[safetensors]") {
  std::vector<float> const f{1.00390625f, -3.0f};  // the first lies half-way between two bf16
  std::vector<std::int32_t> const i{1, 2};
  auto const floats = sysdpo::view_as_tensor("f", {2}, std::span(f));
  std::vector<sysdpo::bf16> narrow(2, sysdpo::bf16(0.0f));
  sysdpo::copy_elements(floats, std::span(narrow));
  CHECK(static_cast<float>(narrow[0]) == 1.0f);
  std::vector<double> wide(2);
  sysdpo::copy_elements(floats, std::span(wide));
  CHECK(wide == std::vector<double>{1.00390625, -3.0});
  sysdpo::copy_elements(sysdpo::view_as_tensor("b", {2}, std::span<sysdpo::bf16 const>(narrow)),
                        std::span(wide));
  CHECK(wide == std::vector<double>{1.0, -3.0});

  auto const integers = sysdpo::view_as_tensor("i", {2}, std::span(i));
  CHECK_THROWS_WITH(sysdpo::copy_elements(integers, std::span(wide)),
                    Contains("I32, which do not convert to F64"));
  CHECK_THROWS_WITH(sysdpo::copy_elements(floats, std::span(wide).first(1)), Contains("2 elements where 1"));
}

TEST_CASE("tensors that do not fit their description are not written", "[safetensors]") {
  test::temporary_directory const folder;
  std::vector<float> const f(4);
  auto const write = [&](std::vector<tensor_view> const& tensors, sysdpo::string_map const& metadata = {}) {
    sysdpo::write_safetensors(folder / "x", tensors, metadata);
  };
  auto const named = [&](std::string const& name) { return sysdpo::view_as_tensor(name, {4}, std::span(f)); };
  CHECK_THROWS_WITH(write({sysdpo::view_as_tensor("a", {3}, std::span(f))}),
                    Contains("tensor 'a'") && Contains("shape [3] of F32"));
  CHECK_THROWS_AS(write({sysdpo::view_as_tensor("a", {-2, -2}, std::span(f))}), sysdpo::error);
  CHECK_THROWS_AS(write({sysdpo::view_as_tensor("a", {INT64_MAX, INT64_MAX, 4}, std::span(f))}),
                  sysdpo::error);
  CHECK_THROWS_WITH(write({named("a"), named("a")}), Contains("the name is taken"));
  CHECK_THROWS_WITH(write({named("__metadata__")}), Contains("the name is taken"));
  CHECK_THROWS_WITH(write({named("\xff")}), Contains("UTF-8"));
  CHECK_THROWS_WITH(write({named("a")}, {{"k", "\xff"}}), Contains("UTF-8"));
  CHECK_FALSE(std::filesystem::exists(folder / "x"));
}

TEST_CASE("each lie of a file is refused with its own message", "[safetensors]") {
  test::temporary_directory const folder;
  std::string const good = R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
  std::vector<case_of_fault> const cases{
      {good, "x", "outside the 1 bytes"},
      {good, "xyz", "belong to no tensor"},
      {R"( {"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "xy", "begin with '{'"},
      {R"({"a":)", "xy", "malformed JSON"},
      {"{\"\xff\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", "xy", "malformed JSON"},
      {R"({"a":{"dtype":"U9","shape":[2],"data_offsets":[0,2]}})", "xy", "dtype 'U9' is not known"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,2]}})", "xy", "takes 8 bytes, but 2"},
      {R"({"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}})", "xy", "out of range"},
      {R"({"a":{"dtype":"U8","shape":[2.0],"data_offsets":[0,2]}})", "xy", "an integer"},
      {R"({"a":{"dtype":"U8","shape":2,"data_offsets":[0,2]}})", "xy", "an array"},
      {R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,2]}})", "xy",
       "exceeds 64 bits"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,18446744073709551615]}})", "xy", "outside"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}})", "xy", "outside"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0]}})", "xy", "two numbers"},
      {R"({"a":{"dtype":"U8","shape":[2]}})", "xy", "'data_offsets' is missing"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"x":1}})", "xy", "'x' is not known"},
      {R"({"a":7})", "xy", "an object"},
      {R"({"__metadata__":{"k":1}})", "", "a string"},
      {R"({"__metadata__":[]})", "", "an object"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       "xy", "'a' appears twice"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       "xyz", "overlaps"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
       "xyz", "hole"},
  };
  for (auto const& fault : cases) {
    CAPTURE(fault.header);
    sysdpo::write_file(folder / "x", file_of(fault.header, fault.data));
    CHECK_THROWS_WITH(sysdpo::safetensors_file(folder / "x"),
                      Contains("safetensors file (") && Contains(fault.message));
  }
  sysdpo::write_file(folder / "x", "short");
  CHECK_THROWS_WITH(sysdpo::safetensors_file(folder / "x"), Contains("has 5 bytes"));
  sysdpo::write_file(folder / "x", std::string(8, '\x7f') + "{}");
  CHECK_THROWS_WITH(sysdpo::safetensors_file(folder / "x"), Contains("more than the format allows"));
  sysdpo::write_file(folder / "x", file_of(good, "xy").substr(0, 30));
  CHECK_THROWS_WITH(sysdpo::safetensors_file(folder / "x"), Contains("truncated"));
  CHECK_THROWS_WITH(sysdpo::safetensors_file(folder / "none"), Contains("No such file"));
}

TEST_CASE("no truncation and no changed byte leads out of the file", "[safetensors]") {
  test::temporary_directory const folder;
  // Reads every byte of every tensor if the file is accepted; sanitizers watch.
  auto const use = [&](std::string const& bytes) {
    std::ofstream(folder / "x", std::ios::binary) << bytes;
    try {
      sysdpo::safetensors_file const file(folder / "x");
      std::size_t sum = 0;
      for (auto const& [name, tensor] : file.tensors())
        for (std::byte const byte : tensor.bytes) sum += static_cast<std::size_t>(byte);
      return sum > 0;
    } catch (sysdpo::error const&) {
      return false;
    }
  };
  CHECK(use(golden));
  int accepted = 0;
  for (std::size_t length = 0; length < golden.size(); ++length)
    accepted += use(golden.substr(0, length)) ? 1 : 0;
  CHECK(accepted == 0);
  for (std::size_t i = 0; i < golden.size(); ++i) {
    for (char const mask : {'\x01', '\x10', '\x80', '\xff'}) {
      std::string changed = golden;
      changed[i] = static_cast<char>(changed[i] ^ mask);
      accepted += use(changed) ? 1 : 0;
    }
  }
  CHECK(accepted >= 4 * 9);  // changes of the data are none of the format's business
}

TEST_CASE("a folder's weights are one file or shards under an index", "[safetensors]") {
  test::temporary_directory const folder;
  std::vector<float> const f{1.0f, 2.0f};
  auto const write = [&](std::string const& file, std::string const& name) {
    sysdpo::write_safetensors(folder / file, std::vector{sysdpo::view_as_tensor(name, {2}, std::span(f))});
  };
  CHECK_THROWS_WITH(sysdpo::safetensors_folder(folder.path()), Contains("model.safetensors"));
  write("model.safetensors", "whole");
  sysdpo::safetensors_folder const single(folder.path());
  CHECK(single.names() == strings{"whole"});
  CHECK_THROWS_WITH(single.find("x"), Contains("no such tensor"));

  write("model-1-of-2.safetensors", "first");
  write("model-2-of-2.safetensors", "second");
  auto const index = [&](std::string const& text) {
    sysdpo::write_file(folder / "model.safetensors.index.json", text);
  };
  index(R"({"metadata": {"total_size": 16}, "weight_map": {"second": "model-2-of-2.safetensors",
                                                          "first": "model-1-of-2.safetensors"}})");
  sysdpo::safetensors_folder const sharded(folder.path());
  CHECK(sharded.names() == strings{"first", "second"});
  CHECK(sharded.contains("second"));
  CHECK(sharded.find("second").bytes.size() == 8);

  index(R"({"weight_map": {"third": "model-1-of-2.safetensors"}})");
  CHECK_THROWS_WITH(sysdpo::safetensors_folder(folder.path()), Contains("tensor 'third'"));
  index(R"({"weight_map": {"first": "../model-1-of-2.safetensors"}})");
  CHECK_THROWS_WITH(sysdpo::safetensors_folder(folder.path()), Contains("not the name of a file"));
  index(R"({"weight_map": {"first": "model-3-of-2.safetensors"}})");
  CHECK_THROWS_WITH(sysdpo::safetensors_folder(folder.path()), Contains("No such file"));
  index(R"({"weights": {}})");
  CHECK_THROWS_WITH(sysdpo::safetensors_folder(folder.path()), Contains("'weight_map' is missing"));
}
