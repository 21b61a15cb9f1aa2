// MPII's annotations (the JSON lists of Simple Baselines) in COCO's form, so that one walk inspects
// both.
#pragma once

#include "apps/inspect/dataset_report.h"

namespace akimbo::apps {

// True for a list of records with "image", "center" and "scale".
[[nodiscard]] bool looks_like_mpii(const Json& json);

// Every record becomes an annotation whose id is its place in the list and whose box is the square
// of its scale; a record's faults stay faults. Sizes of pictures, which the lists lack, are read
// from the pictures where they are found. Coordinates are counted from 0 afterwards.
[[nodiscard]] Json mpii_as_coco(const Json& records, const PictureIndex* pictures);

}  // namespace akimbo::apps
