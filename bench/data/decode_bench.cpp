// JPEG decodes per second on one core, against libjpeg-turbo alone: tjDecompress2 with one handle
// and one buffer for all pictures, which decodes the same pixels. Rounds alternate; medians.
//   decode_bench [FOLDER [ROUNDS]]      JPEG files of the folder, or made ones of 640x480
#include <turbojpeg.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "datasets/readers/image_file.h"
#include "engine/io/file.h"
#include "engine/pose/crop.h"

namespace akimbo {
namespace {

namespace fs = std::filesystem;

// Processor time, so that other work on the machine counts less.
double now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// About as many bytes a pixel as COCO's pictures have: blocks of colour, gradients, some noise.
std::string made_up(int index) {
  Image image(480, 640, 3);
  std::uint32_t state = 7u + static_cast<std::uint32_t>(index);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < 3 * image.width; ++x) {
      state = state * 1664525u + 1013904223u;
      const int block = ((x / 120 + index) * 37 + (y / 40) * 53) % 160;
      const int noise = static_cast<int>(state >> 24) % 24;
      image.row(y)[x] = static_cast<std::uint8_t>(block + (x + y) / 40 + noise);
    }
  }
  return encode_jpeg(image, 90);
}

std::vector<std::string> pictures_of(const char* folder) {
  std::vector<std::string> pictures;
  if (folder == nullptr) {
    for (int i = 0; i < 8; ++i) pictures.push_back(made_up(i));
    return pictures;
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".jpg") pictures.push_back(io::read_file(entry.path()));
  }
  return pictures;
}

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

class Turbo {
 public:
  Turbo() : handle_(tjInitDecompress()) {}
  ~Turbo() { tjDestroy(handle_); }
  Turbo(const Turbo&) = delete;
  Turbo& operator=(const Turbo&) = delete;
  const std::vector<std::uint8_t>& decode(const std::string& jpeg) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(jpeg.data());
    int width = 0, height = 0, sampling = 0, space = 0;
    tjDecompressHeader3(handle_, bytes, jpeg.size(), &width, &height, &sampling, &space);
    pixels_.resize(std::size_t{3} * width * height);
    tjDecompress2(handle_, bytes, jpeg.size(), pixels_.data(), width, 0, height, TJPF_RGB,
                  TJFLAG_ACCURATEDCT);
    return pixels_;
  }

 private:
  tjhandle handle_;
  std::vector<std::uint8_t> pixels_;
};

double rate(const std::vector<std::string>& pictures,
            const std::function<void(const std::string&)>& f) {
  const double begin = now();
  int count = 0;
  do {
    for (const std::string& picture : pictures) f(picture);
    count += static_cast<int>(pictures.size());
  } while (now() - begin < 0.25);
  return count / (now() - begin);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Crops of 256x192 cut in the fast mode from the picture at full size and at 1/denominator, of a
// region just large enough for that: how far apart their pixels are, in grey levels. (Neither is
// the truth: the full one is sampled, the reduced one averaged.)
void print_effect(const std::vector<std::string>& pictures, int denominator) {
  const Size2 size{192, 256};
  double sum = 0, count = 0;
  int largest = 0;
  for (const std::string& picture : pictures) {
    const Image full = decode_image(bytes_of(picture), "a picture");
    const Image reduced =
        decode_image(bytes_of(picture), "a picture", {.scale_denominator = denominator});
    const double scale = 192.0 * denominator / kPixelStd;
    const CenterScale region{{full.width / 2.0, full.height / 2.0}, scale, scale * 4 / 3};
    const Affine affine = crop_affine(region, 0, size);
    const Image a = warp_affine(full, affine, size, WarpMode::fast);
    const Image b =
        warp_affine(reduced, affine_for_reduced(affine, denominator), size, WarpMode::fast);
    for (std::size_t i = 0; i < a.pixels.size(); ++i) {
      const int difference = std::abs(a.pixels[i] - b.pixels[i]);
      sum += difference;
      largest = std::max(largest, difference);
    }
    count += static_cast<double>(a.pixels.size());
  }
  std::printf("crops from 1/%d: %.2f grey levels from those of the whole on average, at most %d\n",
              denominator, sum / count, largest);
}

int run(const char* folder, int rounds) {
  const std::vector<std::string> pictures = pictures_of(folder);
  if (pictures.empty()) {
    std::fprintf(stderr, "decode_bench: no .jpg in %s\n", folder);
    return EXIT_FAILURE;
  }
  Turbo turbo;
  for (const std::string& picture : pictures) {
    if (decode_image(bytes_of(picture), "a picture").pixels != turbo.decode(picture)) {
      std::fprintf(stderr, "decode_bench: the pixels differ\n");
      return EXIT_FAILURE;
    }
  }
  const auto ours = [](int denominator) {
    return [denominator](const std::string& jpeg) {
      (void)decode_image(bytes_of(jpeg), "a picture", {.scale_denominator = denominator});
    };
  };
  const std::pair<const char*, std::function<void(const std::string&)>> contestants[] = {
      {"libjpeg-turbo alone", [&](const std::string& jpeg) { (void)turbo.decode(jpeg); }},
      {"akimbo", ours(1)},
      {"akimbo, at 1/2", ours(2)},
      {"akimbo, at 1/4", ours(4)}};
  std::vector<double> rates[std::size(contestants)];
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < std::size(contestants); ++i) {
      rates[i].push_back(rate(pictures, contestants[i].second));
    }
  }
  for (std::size_t i = 0; i < std::size(contestants); ++i) {
    std::printf("%-20s %7.0f decodes/s  %.3f of libjpeg-turbo alone\n", contestants[i].first,
                median(rates[i]), median(rates[i]) / median(rates[0]));
  }
  for (const int denominator : {2, 4}) print_effect(pictures, denominator);
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace akimbo

int main(int argc, char** argv) {
  try {
    return akimbo::run(argc > 1 ? argv[1] : nullptr,
                       argc > 2 ? std::max(1, std::atoi(argv[2])) : 9);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "decode_bench: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
