// The compound system that whole steps are timed with: the progression's, with images of 16 × 16.
#pragma once

#include <sysdpo.hpp>

namespace benchmarks {

using sysdpo::cpu;
using sysdpo::index_t;

struct prompt {
  static constexpr auto name = "prompt";
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
using author_model = sysdpo::transformer<author_weights>;
using painter_model = sysdpo::unet<painter_weights>;
using author = sysdpo::autoregressive<author_model, sysdpo::list<sysdpo::text, 3>>;
using painter = sysdpo::denoising<painter_model, sysdpo::image<3, 16, 16>>;
template <int K>
using illustration = sysdpo::node<panel<K>, painter, sysdpo::from<sysdpo::part<writer, K>>>;
using storybook =
    sysdpo::system<sysdpo::source<prompt, sysdpo::text>, sysdpo::node<writer, author, sysdpo::from<prompt>>,
                   illustration<0>, illustration<1>, illustration<2>>;
using precision = sysdpo::precision<float>;
using storybook_models = sysdpo::models<storybook, cpu, precision>;

}  // namespace benchmarks
