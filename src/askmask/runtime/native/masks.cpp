// Dropout masks, one bit an activation, from the words of numpy's Philox generator.
//
// Called by askmask/kernel.py through ctypes. `packed_keep_mask` in models/dropout.py is the
// reference: the same bits.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

constexpr int64_t kChunk = 2048;  // words drawn at a time: they stay in the processor's cache
constexpr int kWholeBits = 8;     // bits drawn for every word; later ones for the open words alone

// Philox 4x64 with ten rounds (Salmon et al. 2011): block `number` of a key's stream.
struct Philox {
  uint64_t key0, key1;

  void block(uint64_t number, uint64_t* out) const {
    uint64_t c0 = number, c1 = 0, c2 = 0, c3 = 0, k0 = key0, k1 = key1;
    for (int round = 0; round < 10; ++round) {
      const __uint128_t first = static_cast<__uint128_t>(0xD2E7470EE14C6C93ull) * c0;
      const __uint128_t second = static_cast<__uint128_t>(0xCA5A826395121157ull) * c2;
      c0 = static_cast<uint64_t>(second >> 64) ^ c1 ^ k0;
      c2 = static_cast<uint64_t>(first >> 64) ^ c3 ^ k1;
      c1 = static_cast<uint64_t>(second);
      c3 = static_cast<uint64_t>(first);
      k0 += 0x9E3779B97F4A7C15ull;
      k1 += 0xBB67AE8584CAA73Bull;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
  }

  // Words [first, first + count) of the stream. The generator counts up before it draws.
  void words(int64_t first, int64_t count, uint64_t* out) const {
    uint64_t four[4];
    int64_t next = first;
    for (const int64_t last = first + count; next < last;) {
      block(static_cast<uint64_t>(next / 4) + 1, four);
      for (int64_t lane = next % 4; lane < 4 && next < last; ++lane) out[next++ - first] = four[lane];
    }
  }
};

// Compare one more bit of every activation's number with the threshold's.
void decide(uint64_t* keep, uint64_t* open, const uint64_t* uniform, int64_t count, bool bit) {
  if (bit) {
    for (int64_t i = 0; i < count; ++i) open[i] &= uniform[i];
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    keep[i] |= open[i] & uniform[i];
    open[i] &= ~uniform[i];
  }
}

// Draw bits [last, first] for words that have `stride` words of the stream for each bit.
void draw(const Philox& philox, uint32_t threshold, int first_bit, int last_bit, int64_t offset,
          int64_t stride, uint64_t* keep, uint64_t* open) {
#pragma omp parallel for schedule(static)
  for (int64_t start = 0; start < stride; start += kChunk) {
    uint64_t uniform[kChunk];
    const int64_t count = std::min(kChunk, stride - start);
    for (int bit = first_bit; bit >= last_bit; --bit) {
      philox.words(offset + (first_bit - bit) * stride + start, count, uniform);
      decide(keep + start, open + start, uniform, count, (threshold >> bit) & 1);
    }
  }
}

}  // namespace

extern "C" {

void keep_mask(uint64_t key0, uint64_t key1, int64_t threshold, int64_t words, uint64_t* keep) {
  const Philox philox{key0, key1};
  const uint32_t wanted = static_cast<uint32_t>(threshold);
  int last_bit = 0;  // the lowest bit that is set: below it, what is open is kept
  while (last_bit < 16 && ((wanted >> last_bit) & 1) == 0) ++last_bit;
  std::vector<uint64_t> open(words, ~0ull);
  std::fill(keep, keep + words, 0);
  const int whole = std::max(last_bit, 16 - kWholeBits);
  draw(philox, wanted, 15, whole, 0, words, keep, open.data());
  if (last_bit < whole) {
    std::vector<int64_t> places;
    for (int64_t i = 0; i < words; ++i) {
      if (open[i] != 0) places.push_back(i);
    }
    const int64_t count = static_cast<int64_t>(places.size());
    std::vector<uint64_t> few_keep(count), few_open(count);
    for (int64_t i = 0; i < count; ++i) {
      few_keep[i] = keep[places[i]];
      few_open[i] = open[places[i]];
    }
    draw(philox, wanted, whole - 1, last_bit, kWholeBits * words, count, few_keep.data(),
         few_open.data());
    for (int64_t i = 0; i < count; ++i) keep[places[i]] = few_keep[i] | few_open[i];
    return;  // no other word is open
  }
  for (int64_t i = 0; i < words; ++i) keep[i] |= open[i];
}

}  // extern "C"
