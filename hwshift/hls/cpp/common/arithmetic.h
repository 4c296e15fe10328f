// Scale, bias, saturation and activation of one accumulator, exact to the bit.
#ifndef HWSHIFT_ARITHMETIC_H
#define HWSHIFT_ARITHMETIC_H

#include "hwshift_int.h"

namespace hwshift {

inline std::int64_t clip(std::int64_t value, std::int64_t low, std::int64_t high) {
    HLS(INLINE)
    return value < low ? low : value > high ? high : value;
}

// The accumulator in two parts, so that no product exceeds 64 bits: acc = high * 2^k + low, k = min(places, 32).
// Up to 32 places the upper part is clipped to +-2^45: beyond that the result saturates whatever it is.
struct split_t {
    sint<47> high;
    sint<34> low; // 0 .. 2^32 - 1
    int k;
};

inline split_t split(std::int64_t acc, int places) {
    HLS(INLINE)
    split_t out;
    out.k = places < 32 ? places : 32;
    const std::int64_t high = acc >> out.k;
    out.low = narrow<sint<34>>(acc - high * (std::int64_t(1) << out.k));
    const std::int64_t edge = std::int64_t(1) << 45;
    out.high = narrow<sint<47>>(places <= 32 ? clip(high, -edge, edge) : high);
    return out;
}

// floor(acc * m / 2^places) from the two partial products, 0 <= places <= 62.
inline std::int64_t join(std::int64_t high, std::int64_t low, const split_t &parts, int places) {
    HLS(INLINE)
    return (high + (low >> parts.k)) >> (places > 32 ? places - 32 : 0);
}

// With a multiplier: m is a signed mantissa of 18 bits.
inline std::int64_t scale_multiplied(std::int64_t acc, const sint<18> &m, int places) {
    HLS(INLINE)
    const split_t parts = split(acc, places);
    return join(std::int64_t(parts.high) * std::int64_t(m), std::int64_t(parts.low) * std::int64_t(m), parts, places);
}

// Without: m is up to DIGITS signed digits, each 5 bits of position (31: none) and a sign.
template <int DIGITS> std::int64_t scale_by_digits(std::int64_t acc, const sint<24> &code, int places) {
    HLS(INLINE)
    const split_t parts = split(acc, places);
    std::int64_t high = 0, low = 0;
    for (int i = 0; i < DIGITS; i++) {
        HLS(UNROLL)
        const int digit = int(std::int64_t(code) >> (6 * i)) & 63, position = digit & 31;
        if (position != 31) {
            const std::int64_t weight = std::int64_t(1) << position;
            high += digit & 32 ? -(std::int64_t(parts.high) * weight) : std::int64_t(parts.high) * weight;
            low += digit & 32 ? -(std::int64_t(parts.low) * weight) : std::int64_t(parts.low) * weight;
        }
    }
    return join(high, low, parts, places);
}

} // namespace hwshift

#endif
