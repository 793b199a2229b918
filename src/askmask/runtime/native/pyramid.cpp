// A sample of the pyramid network between its convolutions, each step in one pass over memory.
//
// Called by askmask/runtime/kernel.py through ctypes: plain C functions on pointers, channels last.
// The PyTorch code in models/frozen/pyramid_steps.py is the reference: equal up to rounding.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "floats.h"

namespace {

constexpr int kLanes = 16;
constexpr int kMostChannels = 512;
constexpr int kBlock = 64;  // pixels whose classes are compared at a time

// 16 factors from two bytes of a packed mask: 0, or `scale`; without a mask 1.
struct Keep {
  const uint8_t* mask;
  float scale;

  void factors(int64_t lane, float* out) const {
    if (mask == nullptr) {
      for (int k = 0; k < kLanes; ++k) out[k] = 1.0f;
      return;
    }
    uint16_t word;
    std::memcpy(&word, mask + lane / 8, sizeof word);
#pragma omp simd
    for (int k = 0; k < kLanes; ++k) {
      out[k] = static_cast<float>((static_cast<uint32_t>(word) >> k) & 1u) * scale;
    }
  }
};

// Group norm as a factor and a shift for each channel.
template <typename T>
void find_affine(const T* x, int64_t rows, int64_t channels, int64_t groups, const float* gamma,
                 const float* beta, float epsilon, float* factor, float* shift) {
  double sums[kMostChannels] = {0}, squares[kMostChannels] = {0};
  for (int64_t start = 0; start < rows; start += 128) {  // short sums in float, long in double
    float some[kMostChannels] = {0}, some_squares[kMostChannels] = {0};
    for (int64_t row = start; row < std::min(rows, start + 128); ++row) {
      const T* own = x + row * channels;
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) {
        const float value = load(own + c);
        some[c] += value;
        some_squares[c] += value * value;
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      sums[c] += some[c];
      squares[c] += some_squares[c];
    }
  }
  const int64_t width = channels / groups;
  for (int64_t group = 0; group < groups; ++group) {
    double total = 0, total_squares = 0;
    for (int64_t c = group * width; c < (group + 1) * width; ++c) {
      total += sums[c];
      total_squares += squares[c];
    }
    const double count = static_cast<double>(rows * width);
    const double mean = total / count;
    const double variance = std::max(0.0, total_squares / count - mean * mean);
    const double inverse = 1.0 / std::sqrt(variance + epsilon);
    for (int64_t c = group * width; c < (group + 1) * width; ++c) {
      factor[c] = static_cast<float>(gamma[c] * inverse);
      shift[c] = static_cast<float>(beta[c] - mean * gamma[c] * inverse);
    }
  }
}

// max(factor * x + shift, 0), then dropout; 16 channels.
template <typename T>
inline void activate(const T* x, const float* factor, const float* shift, const Keep& keep,
                     int64_t lane, float* out) {
  float kept[kLanes];
  keep.factors(lane, kept);
#pragma omp simd
  for (int k = 0; k < kLanes; ++k) {
    const float value = load(x + k) * factor[k] + shift[k];
    out[k] = (value > 0.0f ? value : 0.0f) * kept[k];
  }
}

// In place: group norm, ReLU, dropout.
template <typename T>
void norm_relu_drop(T* x, const float* gamma, const float* beta, const uint8_t* masks,
                    int64_t samples, int64_t rows, int64_t channels, int64_t groups,
                    int64_t bytes_per_sample, float epsilon, float scale) {
#pragma omp parallel for
  for (int64_t sample = 0; sample < samples; ++sample) {
    T* own = x + sample * rows * channels;
    float factor[kMostChannels], shift[kMostChannels], out[kLanes];
    find_affine(own, rows, channels, groups, gamma, beta, epsilon, factor, shift);
    const Keep keep{masks == nullptr ? nullptr : masks + sample * bytes_per_sample, scale};
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t c = 0; c < channels; c += kLanes) {
        T* place = own + row * channels + c;
        activate(place, factor + c, shift + c, keep, row * channels + c, out);
        for (int k = 0; k < kLanes; ++k) store(place + k, out[k]);
      }
    }
  }
}

// Group norm, ReLU, dropout, and a 1x1 convolution to a few logits; out: (samples, heads, rows).
template <typename T>
void norm_relu_drop_heads(const T* x, const float* gamma, const float* beta, const uint8_t* masks,
                          const float* weights, const float* biases, float* out, int64_t samples,
                          int64_t rows, int64_t channels, int64_t groups, int64_t bytes_per_sample,
                          int64_t heads, float epsilon, float scale) {
#pragma omp parallel for
  for (int64_t sample = 0; sample < samples; ++sample) {
    const T* own = x + sample * rows * channels;
    float factor[kMostChannels], shift[kMostChannels], active[kMostChannels];
    find_affine(own, rows, channels, groups, gamma, beta, epsilon, factor, shift);
    const Keep keep{masks == nullptr ? nullptr : masks + sample * bytes_per_sample, scale};
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t c = 0; c < channels; c += kLanes) {
        activate(own + row * channels + c, factor + c, shift + c, keep, row * channels + c,
                 active + c);
      }
      for (int64_t head = 0; head < heads; ++head) {
        const float* weight = weights + head * channels;
        float logit = 0.0f;
#pragma omp simd reduction(+ : logit)
        for (int64_t c = 0; c < channels; ++c) logit += active[c] * weight[c];
        out[(sample * heads + head) * rows + row] = logit + biases[head];
      }
    }
  }
}

// A finer term plus coarse maps at twice the resolution, then dropout.
// Coarse feature i lies at fine place 2 i + 1; place 2 i is half way from i - 1 to i.
template <typename T>
void add_upsampled(const T* coarse, const T* term, T* out, const uint8_t* masks, int64_t samples,
                   int64_t height, int64_t width, int64_t channels, int64_t bytes_per_sample,
                   float scale) {
  const int64_t fine_width = 2 * width, line = width * channels;
#pragma omp parallel for collapse(2)
  for (int64_t sample = 0; sample < samples; ++sample) {
    for (int64_t y = 0; y < 2 * height; ++y) {
      const T* own = coarse + sample * height * line;
      const T* lower = own + y / 2 * line;
      const T* upper = own + std::max<int64_t>(0, y % 2 ? y / 2 : y / 2 - 1) * line;
      const Keep keep{masks == nullptr ? nullptr : masks + sample * bytes_per_sample, scale};
      float kept[kLanes];
      for (int64_t x = 0; x < fine_width; ++x) {
        const int64_t right = x / 2 * channels;
        const int64_t left = std::max<int64_t>(0, x % 2 ? x / 2 : x / 2 - 1) * channels;
        const int64_t place = (y * fine_width + x) * channels;
        const T* added = term + place;
        T* target = out + sample * 4 * height * line + place;
        for (int64_t c = 0; c < channels; c += kLanes) {
          keep.factors(place + c, kept);
#pragma omp simd
          for (int k = 0; k < kLanes; ++k) {
            const float above = load(upper + left + c + k) + load(upper + right + c + k);
            const float below = load(lower + left + c + k) + load(lower + right + c + k);
            const float value = load(added + c + k) + 0.25f * (above + below);
            store(target + c + k, value * kept[k]);
          }
        }
      }
    }
  }
}

// Row y of (height, width) logits at four times the resolution, plus `base`: `pixels` of them.
// Logit i lies at pixel 4 i + 3; what lies before the first is equal to it.
void upsample_row(const float* logits, int64_t height, int64_t width, int64_t y, const float* base,
                  int64_t pixels, float* line, float* out) {
  const int64_t above = y < 3 ? 0 : (y - 3) / 4;
  const int64_t below = y < 3 ? 0 : std::min(above + 1, height - 1);
  const float part = y < 3 ? 0.0f : 0.25f * static_cast<float>((y - 3) % 4);
  const float* first = logits + above * width;
  const float* second = logits + below * width;
  line[0] = first[0] + part * (second[0] - first[0]);
  for (int64_t j = 0; j < width; ++j) line[j + 1] = first[j] + part * (second[j] - first[j]);
  // line[0] lies at pixel -1, line[j + 1] at 4 j + 3: pixels 4 j ... 4 j + 3 end at line[j + 1]
  for (int64_t j = 0; j < width; ++j) {
    const float from = line[j], step = 0.25f * (line[j + 1] - line[j]);
    out[4 * j] = from + step;
    out[4 * j + 1] = from + 2.0f * step;
    out[4 * j + 2] = from + 3.0f * step;
    out[4 * j + 3] = line[j + 1];
  }
  for (int64_t x = 0; x < pixels; ++x) out[x] += base[x];
}

void add_contour(const float* logit, int64_t pixels, float* sum) {
  for (int64_t x = 0; x < pixels; ++x) {
    const float e = exp_of_negative(-std::fabs(logit[x]));
    const float larger = 1.0f / (1.0f + e);
    sum[x] += logit[x] > 0.0f ? larger : e * larger;
  }
}

void add_two_classes(const float* logit, int64_t pixels, int64_t plane, float* sums) {
  float *first = sums, *second = sums + plane, *entropy = sums + 2 * plane,
        *votes = sums + 3 * plane;
  for (int64_t x = 0; x < pixels; ++x) {
    const float size = std::fabs(logit[x]);
    const float e = exp_of_negative(-size);
    const float larger = 1.0f / (1.0f + e), smaller = e * larger;
    first[x] += logit[x] > 0.0f ? smaller : larger;
    second[x] += logit[x] > 0.0f ? larger : smaller;
    entropy[x] += size * smaller + log_of_one_plus(e);
    votes[x] += logit[x] > 0.0f ? 1.0f : 0.0f;
  }
}

// log(x) for x >= 1.
inline float log_of_large(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const int32_t exponent = static_cast<int32_t>(bits >> 23) - 127;
  bits = (bits & 0x007fffffu) | 0x3f800000u;
  float mantissa;
  std::memcpy(&mantissa, &bits, sizeof mantissa);
  return static_cast<float>(exponent) * 0.693147181f + log_of_one_plus(mantissa - 1.0f);
}

// logits: (classes, stride). sums: probability of each class, entropy, votes for each class.
void add_classes(float* logits, int64_t classes, int64_t stride, int64_t pixels, int64_t plane,
                 float* sums) {
  for (int64_t start = 0; start < pixels; start += kBlock) {
    const int64_t count = std::min<int64_t>(kBlock, pixels - start);
    float top[kBlock], total[kBlock], moment[kBlock];
    int32_t winner[kBlock];
    for (int64_t p = 0; p < count; ++p) {
      top[p] = logits[start + p];
      winner[p] = 0;
      total[p] = moment[p] = 0.0f;
    }
    for (int64_t c = 1; c < classes; ++c) {
      const float* own = logits + c * stride + start;
      for (int64_t p = 0; p < count; ++p) {  // the first of equals wins
        winner[p] = own[p] > top[p] ? static_cast<int32_t>(c) : winner[p];
        top[p] = own[p] > top[p] ? own[p] : top[p];
      }
    }
    for (int64_t c = 0; c < classes; ++c) {
      float* own = logits + c * stride + start;
      for (int64_t p = 0; p < count; ++p) {
        const float below = own[p] - top[p];
        const float e = exp_of_negative(below);
        total[p] += e;
        moment[p] += e * below;
        own[p] = e;
      }
    }
    float* entropy = sums + classes * plane + start;
    for (int64_t p = 0; p < count; ++p) {
      const float inverse = 1.0f / total[p];
      entropy[p] += log_of_large(total[p]) - moment[p] * inverse;
      total[p] = inverse;
    }
    for (int64_t c = 0; c < classes; ++c) {
      const float* own = logits + c * stride + start;
      float* probs = sums + c * plane + start;
      float* votes = sums + (classes + 1 + c) * plane + start;
      for (int64_t p = 0; p < count; ++p) {
        probs[p] += own[p] * total[p];
        votes[p] += winner[p] == c ? 1.0f : 0.0f;
      }
    }
  }
}

}  // namespace

extern "C" {

void norm_relu_drop_bf16(uint16_t* x, const float* gamma, const float* beta, const uint8_t* masks,
                         int64_t samples, int64_t rows, int64_t channels, int64_t groups,
                         int64_t bytes_per_sample, float epsilon, float scale) {
  norm_relu_drop(x, gamma, beta, masks, samples, rows, channels, groups, bytes_per_sample, epsilon,
                 scale);
}

void norm_relu_drop_fp32(float* x, const float* gamma, const float* beta, const uint8_t* masks,
                         int64_t samples, int64_t rows, int64_t channels, int64_t groups,
                         int64_t bytes_per_sample, float epsilon, float scale) {
  norm_relu_drop(x, gamma, beta, masks, samples, rows, channels, groups, bytes_per_sample, epsilon,
                 scale);
}

void norm_relu_drop_heads_bf16(const uint16_t* x, const float* gamma, const float* beta,
                               const uint8_t* masks, const float* weights, const float* biases,
                               float* out, int64_t samples, int64_t rows, int64_t channels,
                               int64_t groups, int64_t bytes_per_sample, int64_t heads,
                               float epsilon, float scale) {
  norm_relu_drop_heads(x, gamma, beta, masks, weights, biases, out, samples, rows, channels,
                       groups, bytes_per_sample, heads, epsilon, scale);
}

void norm_relu_drop_heads_fp32(const float* x, const float* gamma, const float* beta,
                               const uint8_t* masks, const float* weights, const float* biases,
                               float* out, int64_t samples, int64_t rows, int64_t channels,
                               int64_t groups, int64_t bytes_per_sample, int64_t heads,
                               float epsilon, float scale) {
  norm_relu_drop_heads(x, gamma, beta, masks, weights, biases, out, samples, rows, channels,
                       groups, bytes_per_sample, heads, epsilon, scale);
}

void add_upsampled_bf16(const uint16_t* coarse, const uint16_t* term, uint16_t* out,
                        const uint8_t* masks, int64_t samples, int64_t height, int64_t width,
                        int64_t channels, int64_t bytes_per_sample, float scale) {
  add_upsampled(coarse, term, out, masks, samples, height, width, channels, bytes_per_sample,
                scale);
}

void add_upsampled_fp32(const float* coarse, const float* term, float* out, const uint8_t* masks,
                        int64_t samples, int64_t height, int64_t width, int64_t channels,
                        int64_t bytes_per_sample, float scale) {
  add_upsampled(coarse, term, out, masks, samples, height, width, channels, bytes_per_sample,
                scale);
}

// logits: (samples, heads, height, width) at stride 4; base: (heads, rows, columns).
// Heads: the difference of two classes, or each class; then, if any is left, the contour's.
// sums: as add_two_classes or add_classes have them, then the contour; (.., rows, columns).
void add_pyramid_samples(const float* logits, const float* base, float* sums, int64_t samples,
                         int64_t heads, int64_t classes, int64_t height, int64_t width,
                         int64_t rows, int64_t columns) {
  const int64_t plane = rows * columns, own_heads = classes == 2 ? 1 : classes;
  const int64_t stride = 4 * width, kept_sums = classes == 2 ? 4 : 2 * classes + 1;
#pragma omp parallel
  {
    std::vector<float> upsampled(heads * stride), line(width + 1);
#pragma omp for schedule(static)
    for (int64_t y = 0; y < rows; ++y) {
      float* target = sums + y * columns;
      for (int64_t sample = 0; sample < samples; ++sample) {
        for (int64_t head = 0; head < heads; ++head) {
          upsample_row(logits + (sample * heads + head) * height * width, height, width, y,
                       base + head * plane + y * columns, columns, line.data(),
                       upsampled.data() + head * stride);
        }
        if (classes == 2) {
          add_two_classes(upsampled.data(), columns, plane, target);
        } else {
          add_classes(upsampled.data(), classes, stride, columns, plane, target);
        }
        if (heads > own_heads) {
          add_contour(upsampled.data() + own_heads * stride, columns, target + kept_sums * plane);
        }
      }
    }
  }
}
}
