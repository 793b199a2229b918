// Numbers of both kinds, and the two functions of a softmax that a compiler can vectorise.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

inline float load(const float* from) { return *from; }

inline float load(const uint16_t* from) {  // bfloat16: the upper half of a float
  const uint32_t bits = static_cast<uint32_t>(*from) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline void store(float* to, float value) { *to = value; }

inline void store(uint16_t* to, float value) {  // round to nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof value);
  bits += 0x7fff + ((bits >> 16) & 1);
  *to = static_cast<uint16_t>(bits >> 16);
}

// exp(x) for x <= 0, relative error below 1e-6.
inline float exp_of_negative(float x) {
  x = x > -87.0f ? x : -87.0f;
  const float n = std::nearbyint(x * 1.44269504f);
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float y = 1.0f / 5040.0f;
  y = y * r + 1.0f / 720.0f;
  y = y * r + 1.0f / 120.0f;
  y = y * r + 1.0f / 24.0f;
  y = y * r + 1.0f / 6.0f;
  y = y * r + 0.5f;
  y = y * r + 1.0f;
  y = y * r + 1.0f;
  const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return y * power;
}

// log(1 + e) for e in [0, 1], by the series of the inverse hyperbolic tangent.
inline float log_of_one_plus(float e) {
  const float z = e / (2.0f + e);
  const float q = z * z;
  float y = 1.0f / 13.0f;
  y = y * q + 1.0f / 11.0f;
  y = y * q + 1.0f / 9.0f;
  y = y * q + 1.0f / 7.0f;
  y = y * q + 1.0f / 5.0f;
  y = y * q + 1.0f / 3.0f;
  y = y * q + 1.0f;
  return 2.0f * z * y;
}

}  // namespace
