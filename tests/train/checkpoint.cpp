#include "sysdpo/train/checkpoint.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"
#include "train/tabular_training.hpp"

using namespace test;
using Catch::Contains;

namespace {

tabular_options checkpointing(std::filesystem::path const& folder) {
  auto options = some_training();
  options.checkpoints = folder;
  options.checkpoint_every = 1;
  return options;
}

std::vector<sysdpo::index_t> steps_in(std::filesystem::path const& folder) {
  return sysdpo::detail::checkpoint_steps(folder);
}

/// Runs `work` in a process of its own and returns its exit status, 0 if it ended without an error.
template <class Work>
pid_t start_process(Work&& work) {
  auto const child = ::fork();
  if (child == 0) {
    int status = 0;
    try {
      work();
    } catch (...) {
      status = 1;
    }
    ::_exit(status);
  }
  return child;
}

}  // namespace

TEST_CASE("a checkpoint holds what Hugging Face's tools look for, and no more than two are kept",
          "[checkpoint]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto policy = random_models<skip_system>(1);
  auto reference = policy;
  tabular_trainer(policy, reference, {}, pairs, checkpointing(folder / "run")).run();
  CHECK(steps_in(folder / "run") == std::vector<sysdpo::index_t>{24, 23});
  auto const newest = folder / "run" / "step-00000024";
  for (auto const* model : {"draft", "answer"})
    for (auto const* file : {"config.json", "model.safetensors", "optimizer.safetensors"})
      CHECK(std::filesystem::is_regular_file(newest / model / file));
  sysdpo::json_file const document(newest / "system.json", "system");
  CHECK(document.root().at("nodes").at(std::size_t{1}).at("name").string() == "answer");
  CHECK(document.root().at("nodes").at(std::size_t{1}).at("parents").value() ==
        sysdpo::json({"question", "draft"}));
  CHECK(document.root().at("models").at("draft").at("dtype").string() == "F64");

  auto loaded = random_models<skip_system>(5);
  sysdpo::load_system(newest, loaded);  // a checkpoint is a saved system
  CHECK(weights_of(loaded) == weights_of(policy));
}

TEST_CASE("a training killed again and again ends where the uninterrupted one does", "[checkpoint]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto const options = checkpointing(folder / "run");
  auto const train = [&](tabular_options const& with) {
    auto policy = start;
    auto reference = start;
    tabular_trainer(policy, reference, {}, pairs, with).run();
    return weights_of(policy);
  };
  auto plain = options;
  plain.checkpoints.clear();
  auto const expected = train(plain);

  std::mt19937 random(7);
  int killed = 0;
  for (int i = 0; i < 20; ++i) {
    auto const child = start_process([&] { train(options); });
    std::this_thread::sleep_for(std::chrono::microseconds(1000 + random() % 60000));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status))
      ++killed;
    else
      REQUIRE(WEXITSTATUS(status) == 0);
  }
  CHECK(killed > 0);
  CHECK(train(options) == expected);
}

TEST_CASE("remains of an interrupted save are not loaded and go away", "[checkpoint]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto reference = start;
  auto policy = start;
  auto stopping = stop_at(3);
  tabular_trainer(policy, reference, {}, pairs, checkpointing(folder / "run")).run({&stopping});
  std::filesystem::copy(folder / "run" / "step-00000003", folder / "run" / "step-00000004.partial",
                        std::filesystem::copy_options::recursive);
  auto resumed = start;
  tabular_trainer rest(resumed, reference, {}, pairs, checkpointing(folder / "run"));
  CHECK(rest.step() == 3);
  rest.run();
  for (auto const& entry : std::filesystem::directory_iterator(folder / "run"))
    CHECK(entry.path().extension() != ".partial");
}

TEST_CASE("a checkpoint of another training is refused with what differs", "[checkpoint]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto reference = start;
  auto policy = start;
  auto stopping = stop_at(2);
  tabular_trainer(policy, reference, {}, pairs, checkpointing(folder / "run")).run({&stopping});

  auto const resume = [&](auto change) {
    auto data = pairs;
    auto options = checkpointing(folder / "run");
    auto resumed = start;
    auto against = start;
    change(options, data, resumed, against);
    tabular_trainer(resumed, against, {}, data, options);
  };
  CHECK_NOTHROW(resume([](auto&...) {}));
  CHECK_THROWS_WITH(resume([](auto& options, auto&...) { options.loss.beta = 0.7; }),
                    Contains("/fingerprint/beta") && Contains("0.5") && Contains("0.7"));
  CHECK_THROWS_WITH(resume([](auto& options, auto&...) { options.rates.values[1] = 1; }), Contains("/rates"));
  CHECK_THROWS_WITH(resume([](auto& options, auto&...) { options.steps = 30; }), Contains("/steps"));
  CHECK_THROWS_WITH(resume([](auto&, auto& data, auto&...) { data[3].id = 1000; }), Contains("/pair ids"));
  CHECK_THROWS_WITH(resume([](auto&, auto& data, auto&...) {
                      sysdpo::get<answer>(data[3].rejected) = (sysdpo::get<answer>(data[3].rejected) + 1) % 3;
                    }),
                    Contains("/pair values"));
  CHECK_THROWS_WITH(resume([](auto&, auto& data, auto&...) { data[3].weight = 2; }),
                    Contains("/pair values"));
  CHECK_THROWS_WITH(resume([](auto&, auto& data, auto&...) { data.pop_back(); }), Contains("/pair"));
  CHECK_THROWS_WITH(resume([](auto&, auto&, auto& resumed, auto&) {
                      resumed.template get<draft_table>().parameters().set_trainable(false);
                    }),
                    Contains("/frozen"));
  CHECK_THROWS_WITH(resume([](auto&, auto&, auto&, auto& against) {
                      against.template get<draft_table>().parameters().begin()->value.data()[0] += 1;
                    }),
                    Contains("/weights of"));

  auto other = random_models<skip_system>(1);
  sysdpo::trainer<skip_system, sysdpo::cpu, double_precision, sysdpo::ipo>::options_type ipo{
      .loss = {.beta = 0.5}, .steps = 24};
  ipo.checkpoints = folder / "run";
  using ipo_trainer = sysdpo::trainer<skip_system, sysdpo::cpu, double_precision, sysdpo::ipo>;
  CHECK_THROWS_WITH(ipo_trainer(other, reference, {}, pairs, ipo), Contains("/fingerprint/"));
}

TEST_CASE("two trainings do not share a folder of checkpoints", "[checkpoint]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto policy = random_models<skip_system>(1);
  auto reference = policy;
  tabular_trainer const first(policy, reference, {}, pairs, checkpointing(folder / "run"));
  CHECK_THROWS_WITH(tabular_trainer(policy, reference, {}, pairs, checkpointing(folder / "run")),
                    Contains("another run is using it"));
}

TEST_CASE("a damaged checkpoint is refused, not half loaded", "[checkpoint]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto reference = start;
  auto policy = start;
  auto stopping = stop_at(2);
  tabular_trainer(policy, reference, {}, pairs, checkpointing(folder / "run")).run({&stopping});
  auto const newest = folder / "run" / "step-00000002";
  auto const refuse = [&](std::string const& file, auto const& message) {
    auto const content = sysdpo::read_file(newest / file);
    sysdpo::write_file(newest / file, content.substr(0, content.size() - 9));
    auto resumed = start;
    CHECK_THROWS_WITH(tabular_trainer(resumed, reference, {}, pairs, checkpointing(folder / "run")), message);
    CHECK(weights_of(resumed) == weights_of(start));
    sysdpo::write_file(newest / file, content);
  };
  refuse("answer/model.safetensors", Contains("answer/model.safetensors"));
  refuse("draft/optimizer.safetensors", Contains("draft/optimizer.safetensors"));
  refuse("trainer.json", Contains("trainer.json"));
  refuse("system.json", Contains("system.json"));
  refuse("draft/config.json", Contains("draft/config.json"));

  auto document = sysdpo::json::parse(sysdpo::read_file(newest / "trainer.json"));
  for (auto const* step : {"-2", "3", "\"2\""}) {
    document["step"] = sysdpo::json::parse(step);
    sysdpo::write_json(newest / "trainer.json", document);
    auto resumed = start;
    CHECK_THROWS_WITH(tabular_trainer(resumed, reference, {}, pairs, checkpointing(folder / "run")),
                      Contains("trainer.json, /step"));
    CHECK(weights_of(resumed) == weights_of(start));
  }
}

TEST_CASE("a place that cannot be written gives one error and keeps what is there", "[checkpoint]") {
  test::temporary_directory const folder;
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto reference = start;
  auto policy = start;
  sysdpo::write_file(folder / "file", "x");
  CHECK_THROWS_WITH(tabular_trainer(policy, reference, {}, pairs, checkpointing(folder / "file" / "run")),
                    Contains("file/run") && Contains("Not a directory"));

  auto stopping = stop_at(2);
  tabular_trainer(policy, reference, {}, pairs, checkpointing(folder / "run")).run({&stopping});
  auto const child = start_process([&] {
    // A process that may not write more than a few bytes to a file meets what a full disk would give it.
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit const limit{.rlim_cur = 100, .rlim_max = 100};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto resumed = start;
    tabular_trainer training(resumed, reference, {}, pairs, checkpointing(folder / "run"));
    try {
      training.run();
    } catch (sysdpo::error const& caught) {
      ::_exit(std::string(caught.what()).find("cannot write") != std::string::npos ? 42 : 43);
    }
  });
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 42);
  CHECK(steps_in(folder / "run").front() == 2);
  auto resumed = start;
  CHECK(tabular_trainer(resumed, reference, {}, pairs, checkpointing(folder / "run")).run() == 24);
}

TEST_CASE("every option that changes a training is in its checkpoints", "[checkpoint]") {
  auto const pairs = ranked_pairs();
  auto const start = random_models<skip_system>(1);
  auto const refuse = [&](char const* name, auto change) {
    test::temporary_directory const folder;
    auto reference = start;
    auto policy = start;
    auto stopping = stop_at(2);
    tabular_trainer(policy, reference, {}, pairs, checkpointing(folder / "run")).run({&stopping});
    auto options = checkpointing(folder / "run");
    change(options);
    auto resumed = start;
    CHECK_THROWS_WITH(tabular_trainer(resumed, reference, {}, pairs, options),
                      Contains("/fingerprint/" + std::string(name)));
  };
  refuse("pairs per batch", [](auto& o) { o.pairs_per_batch = 6; });
  refuse("batches per step", [](auto& o) { o.batches_per_step = 3; });
  refuse("order seed", [](auto& o) { o.seed = 1; });
  refuse("noise seed", [](auto& o) { o.loss.seed = 1; });
  refuse("noise visits", [](auto& o) { o.noise_visits = 2; });
  refuse("scales", [](auto& o) { o.loss.scales.template at<answer>() = 2; });
  refuse("rejected gradient", [](auto& o) { o.loss.rejected_gradient.template at<answer>() = 0.5; });
  refuse("moving averages", [](auto& o) { o.moving_averages.values[0] = 0.9; });
  refuse("warm-up steps", [](auto& o) { o.schedule.warmup_steps = 4; });
  refuse("decay", [](auto& o) { o.schedule.shape = sysdpo::decay::linear; });
  refuse("final factor", [](auto& o) { o.schedule.final_factor = 0.1; });
  refuse("optimizer", [](auto& o) { o.optimizer.beta1 = 0.8; });
  refuse("optimizer", [](auto& o) { o.optimizer.beta2 = 0.99; });
  refuse("optimizer", [](auto& o) { o.optimizer.epsilon = 1e-6; });
  refuse("optimizer", [](auto& o) { o.optimizer.weight_decay = 0.1; });
  refuse("max gradient norm", [](auto& o) { o.max_gradient_norm = 2; });
}
