#include "sysdpo/io/file.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using Catch::Contains;

TEST_CASE("a written file reads back, by copy and by map", "[file]") {
  test::temporary_directory const folder;
  std::string const content("a\0b\n", 4);
  sysdpo::write_file(folder / "x", content);
  CHECK(sysdpo::read_file(folder / "x") == content);

  sysdpo::mapped_file mapped(folder / "x");
  sysdpo::write_file(folder / "x", "new");  // replacing the file leaves the old map valid
  sysdpo::mapped_file const moved(std::move(mapped));
  CHECK(moved.bytes().size() == 4);
  CHECK(moved.bytes()[2] == std::byte{'b'});
  CHECK(sysdpo::read_file(folder / "x") == "new");
  sysdpo::mapped_file assigned(folder / "x");
  assigned = sysdpo::mapped_file(folder / "x");
  CHECK(assigned.bytes().size() == 3);

  sysdpo::write_file(folder / "empty", "");
  CHECK(sysdpo::read_file(folder / "empty").empty());
  CHECK(sysdpo::mapped_file(folder / "empty").bytes().empty());
}

TEST_CASE("file errors name the path and the reason", "[file]") {
  test::temporary_directory const folder;
  CHECK_THROWS_WITH(sysdpo::read_file(folder / "none"), Contains("none") && Contains("No such file"));
  CHECK_THROWS_WITH(sysdpo::mapped_file(folder / "none"), Contains("No such file"));
  CHECK_THROWS_WITH(sysdpo::read_file(folder.path()), Contains("Is a directory"));
  CHECK_THROWS_WITH(sysdpo::mapped_file("/dev/null"), Contains("/dev/null"));
  CHECK_THROWS_WITH(sysdpo::write_file(folder / "no/such/place", "x"), Contains("No such file"));
  sysdpo::write_file(folder / "x", "x");
  CHECK_THROWS_WITH(sysdpo::write_file(folder / "x/y", "x"), Contains("Not a directory"));
}

TEST_CASE("a write that fails or is given up leaves the old file and no litter", "[file]") {
  test::temporary_directory const folder;
  sysdpo::write_file(folder / "x", "old");
  { sysdpo::atomic_file(folder / "x").write("given up"); }
  CHECK(sysdpo::read_file(folder / "x") == "old");

  // A limit on file size stands for the full disk: the write stops half-way with an error code.
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  rlimit const low{.rlim_cur = 1000, .rlim_max = limit.rlim_max};
  auto* const old_handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &low) == 0);
  std::string message;
  try {
    sysdpo::write_file(folder / "x", std::string(5000, 'n'));
  } catch (sysdpo::error const& caught) {
    message = caught.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, old_handler);

  CHECK_THAT(message, Contains("x.partial") && Contains("File too large"));
  CHECK(sysdpo::read_file(folder / "x") == "old");
  CHECK_FALSE(std::filesystem::exists(folder / "x.partial"));
}

TEST_CASE("a process killed in mid-write leaves the old file, and the next write works", "[file]") {
  test::temporary_directory const folder;
  sysdpo::write_file(folder / "x", "old");
  pid_t const child = ::fork();
  if (child == 0) {
    sysdpo::atomic_file file(folder / "x");
    file.write("half of the n");
    std::raise(SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  CHECK(sysdpo::read_file(folder / "x") == "old");
  sysdpo::write_file(folder / "x", "new");
  CHECK(sysdpo::read_file(folder / "x") == "new");
}

TEST_CASE("a directory is locked by one owner at a time", "[file]") {
  test::temporary_directory const folder;
  {
    sysdpo::directory_lock const lock(folder / "a/b");
    CHECK_THROWS_WITH(sysdpo::directory_lock(folder / "a/b"), Contains("another run"));
    pid_t const child = ::fork();
    if (child == 0) {
      int code = 0;
      try {
        sysdpo::directory_lock const second(folder / "a/b");
      } catch (sysdpo::error const&) {
        code = 7;
      }
      ::_exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 7);
  }
  CHECK_NOTHROW(sysdpo::directory_lock(folder / "a/b"));
  sysdpo::write_file(folder / "x", "x");
  CHECK_THROWS_AS(sysdpo::directory_lock(folder / "x"), sysdpo::error);
}
