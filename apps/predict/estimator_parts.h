// What a PoseEstimator is made of.
#pragma once

#include "apps/common/load_model.h"
#include "apps/predict/pose_estimator.h"
#include "apps/predict/top_down.h"
#include "engine/pose/crop.h"

namespace akimbo {

struct PoseEstimator::Parts {
  Parts(apps::LoadedModel loaded, Device device)
      : model(std::move(loaded)),
        codec(apps::make_codec(model.config)),
        cropper(apps::crop_options(model.config)),
        top_down(*model.network, model.config, model.skeleton, device) {}
  Parts(const Parts&) = delete;  // top_down refers to model
  Parts& operator=(const Parts&) = delete;

  // One batch.
  [[nodiscard]] std::vector<Pose> estimate(const Image& image, std::span<const BoxXywh> boxes);

  apps::LoadedModel model;
  HeatmapCodec codec;
  Cropper cropper;
  apps::TopDown top_down;
};

}  // namespace akimbo
