#include "sysdpo/loss/link.hpp"

#include "support/catch.hpp"

namespace {

template <class Link>
void check_slope(Link const& link) {
  for (double const beta : {0.1, 1.0, 3.0})
    for (double const h : {-4.0, -0.3, 0.0, 0.2, 0.7, 5.0}) {
      auto const step = 1e-6;
      auto const numeric = (link.value(h + step, beta) - link.value(h - step, beta)) / (2 * step);
      REQUIRE(link.slope(h, beta) == Approx(numeric).margin(1e-7));
    }
}

}  // namespace

TEST_CASE("every link's slope is the derivative of its value", "[loss]") {
  check_slope(sysdpo::logistic{});
  check_slope(sysdpo::label_smoothed{0.2});
  check_slope(sysdpo::robust{0.2});
  check_slope(sysdpo::hinge{});
  check_slope(sysdpo::ipo{});
}

TEST_CASE("links have their closed forms", "[loss]") {
  double const h = 1.3;
  double const beta = 0.4;
  double const sigma = 1 / (1 + std::exp(-beta * h));
  REQUIRE(sysdpo::logistic{}.value(h, beta) == Approx(-std::log(sigma)));
  REQUIRE(sysdpo::label_smoothed{0.1}.value(h, beta) ==
          Approx(-0.9 * std::log(sigma) - 0.1 * std::log(1 - sigma)));
  REQUIRE(sysdpo::robust{0.1}.value(h, beta) ==
          Approx((-0.9 * std::log(sigma) + 0.1 * std::log(1 - sigma)) / 0.8));
  REQUIRE(sysdpo::hinge{}.value(h, beta) == Approx(1 - beta * h));
  REQUIRE(sysdpo::hinge{}.value(3.0, beta) == 0);
  REQUIRE(sysdpo::ipo{}.value(h, beta) == Approx((h - 1.25) * (h - 1.25)));
}

TEST_CASE("a margin of zero costs exactly log 2", "[loss]") {
  REQUIRE(sysdpo::logistic{}.value(0, 0.1) == std::log(2.0));
  REQUIRE(sysdpo::logistic{}.slope(0, 0.1) == -0.05);
}

TEST_CASE("links stay finite at extreme margins", "[loss]") {
  for (double const h : {-1e6, 1e6}) {
    REQUIRE(std::isfinite(sysdpo::logistic{}.value(h, 1)));
    REQUIRE(std::isfinite(sysdpo::logistic{}.slope(h, 1)));
    REQUIRE(std::isfinite(sysdpo::robust{0.3}.value(h, 1)));
  }
  REQUIRE(sysdpo::logistic{}.value(-1e6, 1) == Approx(1e6));
}

TEST_CASE("noise rates that are none are refused", "[loss]") {
  REQUIRE_THROWS_AS(sysdpo::check_link(sysdpo::robust{0.5}), sysdpo::error);
  REQUIRE_THROWS_AS(sysdpo::check_link(sysdpo::label_smoothed{-0.1}), sysdpo::error);
  REQUIRE_NOTHROW(sysdpo::check_link(sysdpo::label_smoothed{0.0}));
}

TEST_CASE("a margin that is no number costs no number, under every link", "[loss]") {
  auto const nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(sysdpo::logistic{}.value(nan, 0.1)));
  CHECK(std::isnan(sysdpo::label_smoothed{0.2}.value(nan, 0.1)));
  CHECK(std::isnan(sysdpo::robust{0.2}.value(nan, 0.1)));
  CHECK(std::isnan(sysdpo::hinge{}.value(nan, 0.1)));
  CHECK(std::isnan(sysdpo::ipo{}.value(nan, 0.1)));
}
