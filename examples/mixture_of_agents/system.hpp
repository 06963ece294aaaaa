// A mixture of agents: three agents draft an answer, the same three revise what they see of all drafts, an
// aggregator reads the revisions and gives the system's answer.
#pragma once

#include <sysdpo.hpp>

namespace mixture {

struct question {
  static constexpr auto name = "question";
};
template <int K>
struct draft {
  static constexpr auto name = "draft";
  static constexpr int index = K;
};
template <int K>
struct revision {
  static constexpr auto name = "revision";
  static constexpr int index = K;
};
struct answer {
  static constexpr auto name = "answer";
};
template <int K>
struct agent_weights {
  static constexpr auto name = "agent";
  static constexpr int index = K;
};
struct aggregator_weights {
  static constexpr auto name = "aggregator";
};

template <int K>
using agent = sysdpo::autoregressive<sysdpo::transformer<agent_weights<K>>, sysdpo::text>;
using aggregator = sysdpo::autoregressive<sysdpo::transformer<aggregator_weights>, sysdpo::text>;

template <int K>
using drafting = sysdpo::node<draft<K>, agent<K>, sysdpo::from<question>>;
template <int K>  // the same agent<K>: one model in two layers
using revising = sysdpo::node<revision<K>, agent<K>, sysdpo::from<question, draft<0>, draft<1>, draft<2>>>;
using answering =
    sysdpo::node<answer, aggregator, sysdpo::from<question, revision<0>, revision<1>, revision<2>>>;

using mixture_of_agents = sysdpo::system<sysdpo::source<question, sysdpo::text>,  //
                                         drafting<0>, drafting<1>, drafting<2>,   //
                                         revising<0>, revising<1>, revising<2>,   //
                                         answering>;
static_assert(mixture_of_agents::node_count == 7 && mixture_of_agents::model_count == 4);
static_assert(mixture_of_agents::loss_is == sysdpo::loss_kind::exact);

using mixture_models = sysdpo::models<mixture_of_agents, sysdpo::cpu>;
using mixture_pair = sysdpo::preference<mixture_of_agents>;
using mixture_options = sysdpo::policy_options<mixture_of_agents>;
using numbers = sysdpo::node_numbers<mixture_of_agents>;  ///< drafts, revisions, answer

}  // namespace mixture
