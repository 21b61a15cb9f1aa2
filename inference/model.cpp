#include "inference/model.h"

#include "config/parts.h"
#include "inference/model_file.h"

namespace akimbo {

Model read_model(const std::filesystem::path& path, Device device) {
  const io::SafetensorsFile file(path);
  ModelInfo info = read_model_info(file.metadata(), path.string());
  Model model{
      .config = std::move(info.config), .skeleton = std::move(info.skeleton), .network = {}};
  model.network = make_empty_network(model.config, model.skeleton);
  model.network->load_state(read_weights(file), true, path.string());
  model.network->to(device);
  model.network->eval();
  return model;
}

}  // namespace akimbo
