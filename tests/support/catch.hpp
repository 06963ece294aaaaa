// Catch2, version 2 or 3: tests may use the names of either for what was renamed in between.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
namespace Catch {
inline auto Contains(std::string const& text) { return Matchers::ContainsSubstring(text); }
}  // namespace Catch
#else
#include <catch2/catch.hpp>
namespace Catch {
using Detail::Approx;
namespace Matchers {
// NOLINTNEXTLINE(readability-identifier-naming)
inline auto ContainsSubstring(std::string const& text) { return Contains(text); }
}  // namespace Matchers
}  // namespace Catch
#endif
