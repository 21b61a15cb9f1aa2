// Weights of a file into a network, and what there is to say about it.
#pragma once

#include <string>
#include <vector>

#include "apps/convert/convert.h"
#include "config/config.h"
#include "models/network.h"

namespace akimbo::apps {

struct LoadOptions {
  // Refuse missing and unexpected names. Otherwise what fits by name and shape is taken (a
  // backbone's weights under a fresh head), and FileError is thrown only if nothing fits.
  bool strict = true;
  // The user said himself in which order the network takes colours, so a checkpoint that says
  // otherwise does not stop him.
  bool color_is_chosen = false;
};

// True when one of --set's texts is about data.color.
[[nodiscard]] bool chooses_color(const std::vector<std::string>& overrides);

// The weights' memory becomes the network's if they are moved in. Returns lines for the user: what
// was loaded, left as it was and not used, and anything to know about colours. Throws FileError for
// weights that do not fit, ConfigError when the checkpoint is known to want the other order of
// colours than config.data.color.
[[nodiscard]] std::vector<std::string> load_weights(models::Network& network,
                                                    convert::Weights weights, const Config& config,
                                                    const LoadOptions& options);

}  // namespace akimbo::apps
