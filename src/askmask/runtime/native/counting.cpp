// The calibration sums of one image, in one pass over its pixels.
//
// Called by askmask/kernel.py through ctypes. The PyTorch code in metrics/calibration.py is the
// reference: the same cells, sums equal up to the order in which they are added.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr int kSums = 3;  // of a cell: pixels, probabilities, pixels where it came true
constexpr double kRounding = 1e-3;

struct Shape {
  int64_t pixels, classes, cells, doubt_cells, doubt_shift, doubt_first;

  int64_t total() const { return kSums * ((classes + 1) * cells + doubt_cells) + 3; }
};

inline void add(double* cell, double probability, bool came_true) {
  cell[0] += 1;
  cell[1] += probability;
  cell[2] += came_true;
}

inline int64_t cell_of(double probability, int64_t cells) {
  return std::clamp<int64_t>(static_cast<int64_t>(probability * cells), 0, cells - 1);
}

inline int64_t doubt_cell_of(double confidence, const Shape& shape) {
  const float doubt = std::max(static_cast<float>(1 - confidence), 0.0f);
  int32_t bits;
  std::memcpy(&bits, &doubt, sizeof bits);
  const int64_t cell = (bits >> shape.doubt_shift) - shape.doubt_first;
  return std::clamp<int64_t>(cell, 0, shape.doubt_cells - 1);
}

// Counts pixels [first, last) into `sums`; false at the first pixel that is refused.
template <typename T>
bool count_part(const T* probs, const int16_t* labels, int64_t first, int64_t last,
                const Shape& shape, double* sums) {
  double* by_class = sums;
  double* top_cells = by_class + kSums * shape.classes * shape.cells;
  double* doubt_cells = top_cells + kSums * shape.cells;
  double log_loss = 0, squared_error = 0;
  int64_t counted = 0;
  for (int64_t i = first; i < last; ++i) {
    const int64_t label = labels[i];
    if (label == -1) continue;  // unlabelled
    if (label < 0 || label >= shape.classes) return false;
    double confidence = -1, total = 0, of_true = 0;
    int64_t top = 0;
    for (int64_t c = 0; c < shape.classes; ++c) {
      const double p = probs[c * shape.pixels + i];
      if (!(p >= -kRounding && p <= 1 + kRounding)) return false;  // NaN is refused, too
      const bool is_true = c == label;
      add(by_class + kSums * (c * shape.cells + cell_of(p, shape.cells)), p, is_true);
      if (p > confidence) {
        confidence = p;
        top = c;
      }
      if (is_true) of_true = p;
      squared_error += p * p;
      total += p;
    }
    if (!(std::abs(total - 1) <= kRounding)) return false;
    const bool is_right = top == label;
    add(top_cells + kSums * cell_of(confidence, shape.cells), confidence, is_right);
    add(doubt_cells + kSums * doubt_cell_of(confidence, shape), confidence, is_right);
    log_loss -= std::log(of_true);
    squared_error += 1 - 2 * of_true;
    ++counted;
  }
  double* scores = doubt_cells + kSums * shape.doubt_cells;
  scores[0] = log_loss;
  scores[1] = squared_error;
  scores[2] = static_cast<double>(counted);
  return true;
}

template <typename T>
int32_t count_pixels(const T* probs, const int16_t* labels, const Shape& shape, int64_t parts,
                     double* sums) {
  const int64_t size = shape.total();
  std::vector<double> own(parts * size, 0.0);
  std::vector<uint8_t> is_counted(parts, 0);
  // Cut by the size alone, so that the sums do not depend on the number of threads.
#pragma omp parallel for schedule(static)
  for (int64_t part = 0; part < parts; ++part) {
    is_counted[part] = count_part(probs, labels, shape.pixels * part / parts,
                                  shape.pixels * (part + 1) / parts, shape,
                                  own.data() + part * size);
  }
  if (!std::all_of(is_counted.begin(), is_counted.end(), [](uint8_t is) { return is != 0; })) {
    return 0;
  }
  for (int64_t part = 0; part < parts; ++part) {
    for (int64_t k = 0; k < size; ++k) sums[k] += own[part * size + k];
  }
  return 1;
}

}  // namespace

extern "C" {

int32_t count_pixels_fp32(const float* probs, const int16_t* labels, int64_t pixels,
                          int64_t classes, int64_t cells, int64_t doubt_cells, int64_t doubt_shift,
                          int64_t doubt_first, int64_t parts, double* sums) {
  return count_pixels(
      probs, labels, {pixels, classes, cells, doubt_cells, doubt_shift, doubt_first}, parts, sums);
}

int32_t count_pixels_fp64(const double* probs, const int16_t* labels, int64_t pixels,
                          int64_t classes, int64_t cells, int64_t doubt_cells, int64_t doubt_shift,
                          int64_t doubt_first, int64_t parts, double* sums) {
  return count_pixels(
      probs, labels, {pixels, classes, cells, doubt_cells, doubt_shift, doubt_first}, parts, sums);
}

}  // extern "C"
