#include "sysdpo/io/jsonl.hpp"

#include <sys/resource.h>

#include <csignal>
#include <limits>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using Catch::Contains;
using sysdpo::json_view;

TEST_CASE("lines are appended and read back with their numbers", "[jsonl]") {
  test::temporary_directory const folder;
  sysdpo::jsonl_writer(folder / "x").write({{"step", 1}});
  {
    sysdpo::jsonl_writer writer(folder / "x");
    CHECK(writer.torn_bytes() == 0);
    writer.write({{"step", 2}, {"loss", std::numeric_limits<double>::quiet_NaN()}});
    writer.flush();
    CHECK(sysdpo::read_file(folder / "x") == "{\"step\":1}\n{\"loss\":null,\"step\":2}\n");
  }
  sysdpo::write_file(folder / "y", "\n{\"step\": 1}\r\n  \n{\"step\": 2}");
  std::vector<std::size_t> numbers;
  sysdpo::read_jsonl(folder / "y", "metrics", [&](json_view const& line, std::size_t number) {
    numbers.push_back(number);
    CHECK(line.at("step").integer() == static_cast<std::int64_t>(numbers.size()));
  });
  CHECK(numbers == std::vector<std::size_t>{2, 4});
}

TEST_CASE("a torn last line is cut when the file is opened again", "[jsonl]") {
  test::temporary_directory const folder;
  sysdpo::write_file(folder / "x", "{\"step\":1}\n{\"st");
  sysdpo::jsonl_writer writer(folder / "x");
  CHECK(writer.torn_bytes() == 4);
  writer.write({{"step", 2}});
  CHECK(sysdpo::read_file(folder / "x") == "{\"step\":1}\n{\"step\":2}\n");

  sysdpo::write_file(folder / "y", "{\"st");
  CHECK(sysdpo::jsonl_writer(folder / "y").torn_bytes() == 4);
  CHECK(sysdpo::read_file(folder / "y").empty());
}

TEST_CASE("a line that does not fit on the disk is taken back", "[jsonl]") {
  test::temporary_directory const folder;
  sysdpo::jsonl_writer writer(folder / "x");
  writer.write("first");
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  rlimit const low{.rlim_cur = 100, .rlim_max = limit.rlim_max};
  auto* const old_handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &low) == 0);
  bool failed = false;
  try {
    writer.write(std::string(500, 'x'));
  } catch (sysdpo::error const&) {
    failed = true;
  }
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, old_handler);
  CHECK(failed);
  writer.write("second");
  CHECK(sysdpo::read_file(folder / "x") == "\"first\"\n\"second\"\n");
}

TEST_CASE("a malformed line is named", "[jsonl]") {
  test::temporary_directory const folder;
  sysdpo::write_file(folder / "x", "{\"step\": 1}\n\n{\"step\": }\n");
  auto const ignore = [](json_view const&, std::size_t) {};
  CHECK_THROWS_WITH(sysdpo::read_jsonl(folder / "x", "metrics", ignore),
                    Contains("metrics (") && Contains("x, line 3"));
}

TEST_CASE("a line that is not UTF-8 is refused, and the next one is written", "[jsonl]") {
  test::temporary_directory const folder;
  sysdpo::jsonl_writer writer(folder / "x");
  CHECK_THROWS_AS(writer.write("\xff"), sysdpo::error);
  writer.write("good");
  CHECK(sysdpo::read_file(folder / "x") == "\"good\"\n");
}
