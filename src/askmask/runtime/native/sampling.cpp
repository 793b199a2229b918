// The two steps of sampling between matrix products, each in one pass over memory.
//
// Called by askmask/kernel.py through ctypes: plain C functions on pointers, no PyTorch headers.
// The PyTorch code in models/frozen/two_decoder.py is the reference: equal up to rounding.

#include <cmath>
#include <cstdint>
#include <cstring>

#include "floats.h"

namespace {

constexpr int kCell = 256;    // pixels of a cell
constexpr int kReach = 576;   // pixels that a feature reaches
constexpr int kLanes = 16;

template <typename T>
void drop_and_clamp(const T* from, T* x, T* active, const uint8_t* masks, const T* low,
                    const T* high, int64_t rows, int64_t channels, int64_t rows_per_sample,
                    int64_t bytes_per_sample, int64_t rows_of_source, float scale) {
#pragma omp parallel for
  for (int64_t row = 0; row < rows; ++row) {
    const T* source = from + (row % rows_of_source) * channels;
    T* own = x + row * channels;
    const uint8_t* mask = masks + (row / rows_per_sample) * bytes_per_sample +
                          (row % rows_per_sample) * (channels / 8);
    for (int64_t c = 0; c < channels; c += kLanes) {
      uint16_t word;
      std::memcpy(&word, mask + c / 8, sizeof word);
#pragma omp simd
      for (int k = 0; k < kLanes; ++k) {
        const float kept = static_cast<float>((static_cast<uint32_t>(word) >> k) & 1u) * scale;
        store(own + c + k, load(source + c + k) * kept);
      }
    }
    if (active == nullptr) continue;
    T* out = active + row * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const float value = load(own + c);
      const float raised = value > load(low + c) ? value : load(low + c);
      store(out + c, raised < load(high + c) ? raised : load(high + c));
    }
  }
}

// What the features around cell (i, j) reach of it, for one class, plus the bias, not below 0.
template <typename T>
void gather(const T* reach, int64_t step, int64_t width, bool has_right, bool has_below, float bias,
            float* out) {
  for (int p = 0; p < kCell; ++p) out[p] = load(reach + p) + bias;
  if (has_right) {
    const T* right = reach + step;
    for (int p = 0; p < 128; ++p) out[64 + p] += load(right + 256 + p);
  }
  if (has_below) {
    const T* below = reach + step * width;
    for (int p = 0; p < 128; ++p) out[128 + p] += load(below + 384 + p);
  }
  if (has_right && has_below) {
    const T* corner = reach + step * (width + 1);
    for (int p = 0; p < 64; ++p) out[128 + p] += load(corner + 512 + p);
  }
  for (int p = 0; p < kCell; ++p) out[p] = out[p] > 0.0f ? out[p] : 0.0f;
}

// One stage's share of a head's two logits. scores: w00 w01 w10 w11 b0 b1.
template <typename T>
void add_branch(const T* reach, int64_t step, int64_t width, bool has_right, bool has_below,
                const float* biases, const float* scores, float* logit0, float* logit1) {
  float first[kCell];
  float second[kCell];
  gather(reach, step, width, has_right, has_below, biases[0], first);
  gather(reach + kReach, step, width, has_right, has_below, biases[1], second);
  for (int p = 0; p < kCell; ++p) {
    const float a = scores[0] * first[p] + scores[1] * second[p] + scores[4];
    const float b = scores[2] * first[p] + scores[3] * second[p] + scores[5];
    logit0[p] += a > 0.0f ? a : 0.0f;
    logit1[p] += b > 0.0f ? b : 0.0f;
  }
}

// sums: probability of class 0, of class 1, entropy, votes for class 1, contour; (5, cells, 256).
template <typename T>
void add_samples(const T* reach3, const T* reach4, const float* first_logits, const float* biases,
                 const float* scores, float* sums, int64_t samples, int64_t height, int64_t width,
                 int64_t heads) {
  const int64_t cells = height * width;
  const int64_t step = heads * 2 * kReach;
  const int64_t plane = cells * kCell;
#pragma omp parallel for
  for (int64_t cell = 0; cell < cells; ++cell) {
    const bool has_below = cell / width + 1 < height;
    const bool has_right = cell % width + 1 < width;
    float logit0[kCell];
    float logit1[kCell];
    for (int64_t sample = 0; sample < samples; ++sample) {
      for (int64_t head = 0; head < heads; ++head) {
        const float* first = first_logits + head * 2 * plane + cell * kCell;
        std::memcpy(logit0, first, sizeof logit0);
        std::memcpy(logit1, first + plane, sizeof logit1);
        const int64_t place = (sample * cells + cell) * step + head * 2 * kReach;
        const int64_t stage4 = heads * 2;  // biases and scores of stage 3 come first
        add_branch(reach3 + place, step, width, has_right, has_below, biases + head * 2,
                   scores + head * 6, logit0, logit1);
        add_branch(reach4 + place, step, width, has_right, has_below, biases + stage4 + head * 2,
                   scores + stage4 * 3 + head * 6, logit0, logit1);
        float* out = sums + cell * kCell;
        if (head == 1) {
          for (int p = 0; p < kCell; ++p) {
            const float d = logit1[p] - logit0[p];
            const float e = exp_of_negative(-std::fabs(d));
            const float larger = 1.0f / (1.0f + e);
            out[4 * plane + p] += d > 0.0f ? larger : e * larger;
          }
          continue;
        }
        for (int p = 0; p < kCell; ++p) {
          const float d = logit1[p] - logit0[p];
          const float size = std::fabs(d);
          const float e = exp_of_negative(-size);
          const float larger = 1.0f / (1.0f + e);
          const float smaller = e * larger;
          out[p] += d > 0.0f ? smaller : larger;
          out[plane + p] += d > 0.0f ? larger : smaller;
          out[2 * plane + p] += size * smaller + log_of_one_plus(e);
          out[3 * plane + p] += d > 0.0f ? 1.0f : 0.0f;
        }
      }
    }
  }
}

}  // namespace

extern "C" {

void drop_and_clamp_bf16(const uint16_t* from, uint16_t* x, uint16_t* active, const uint8_t* masks,
                         const uint16_t* low, const uint16_t* high, int64_t rows, int64_t channels,
                         int64_t rows_per_sample, int64_t bytes_per_sample, int64_t rows_of_source,
                         float scale) {
  drop_and_clamp(from, x, active, masks, low, high, rows, channels, rows_per_sample,
                 bytes_per_sample, rows_of_source, scale);
}

void drop_and_clamp_fp32(const float* from, float* x, float* active, const uint8_t* masks,
                         const float* low, const float* high, int64_t rows, int64_t channels,
                         int64_t rows_per_sample, int64_t bytes_per_sample, int64_t rows_of_source,
                         float scale) {
  drop_and_clamp(from, x, active, masks, low, high, rows, channels, rows_per_sample,
                 bytes_per_sample, rows_of_source, scale);
}

void add_samples_bf16(const uint16_t* reach3, const uint16_t* reach4, const float* first_logits,
                      const float* biases, const float* scores, float* sums, int64_t samples,
                      int64_t height, int64_t width, int64_t heads) {
  add_samples(reach3, reach4, first_logits, biases, scores, sums, samples, height, width, heads);
}

void add_samples_fp32(const float* reach3, const float* reach4, const float* first_logits,
                      const float* biases, const float* scores, float* sums, int64_t samples,
                      int64_t height, int64_t width, int64_t heads) {
  add_samples(reach3, reach4, first_logits, biases, scores, sums, samples, height, width, heads);
}
}
