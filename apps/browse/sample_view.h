// One training sample as HTML: its picture before, the crop and the targets after augmentation, and
// its numbers.
#pragma once

#include <string>

#include "datasets/loader.h"

namespace akimbo::apps {

// The sample at `row` of the batch, a figure of html/page.h. Throws FileError when its picture
// cannot be read.
[[nodiscard]] std::string sample_figure(const datasets::TopDownDataset& dataset,
                                        const datasets::Batch& batch, std::int64_t row);

}  // namespace akimbo::apps
