// What flows between the processes, and the arithmetic that all of them share.
#ifndef HWSHIFT_TYPES_H
#define HWSHIFT_TYPES_H

#include "arithmetic.h"
#include "hwshift_arithmetic.h"
#include "hwshift_int.h"
#include "hwshift_stream.h"

namespace hwshift {

typedef sint<ACT_BITS> act_t;
typedef sint<ACC_BITS> acc_t;

constexpr std::int64_t ACT_MIN = -(std::int64_t(1) << (ACT_BITS - 1));
constexpr std::int64_t ACT_MAX = (std::int64_t(1) << (ACT_BITS - 1)) - 1;
constexpr std::int64_t ONE = std::int64_t(1) << GUARD; // the weight 1 on the accumulator's grid

// N neighbouring channels of one pixel. A map flows row by row, pixel by pixel, channels in order.
template <int N> struct vec_t {
    act_t at[N];
};

#ifndef HWSHIFT_VENDOR
template <int N> void append_values(const vec_t<N> &word, std::vector<std::int64_t> &values) {
    for (int i = 0; i < N; i++)
        values.push_back(std::int64_t(word.at[i]));
}
#endif

// A processing element. shift_add: the code is +-(q + 1) for +-2^(p_max - q), 0 for zero; the sign acts after the
// shift. mac: the weight itself, and a shift to the accumulator's grid.
template <int W> acc_t term(const act_t &x, const sint<W> &weight) {
    HLS(INLINE)
    const std::int64_t code = std::int64_t(weight);
    if constexpr (SHIFT_ADD) {
        const int right = int(code < 0 ? -code : code) - 1;
        const std::int64_t shifted = (std::int64_t(x) * (std::int64_t(1) << LEFT_SHIFT)) >> (right < 0 ? 0 : right);
        return acc_t(code == 0 ? std::int64_t(0) : code < 0 ? -shifted : shifted);
    } else {
        return acc_t((std::int64_t(x) * code) >> RIGHT_SHIFT);
    }
}

// Scale and bias of one channel. `m` is a mantissa or, in designs without multipliers, the code of its digits.
struct param_t {
    sint<24> m;
    uintw<6> s;
    sint<ACT_BITS> b;
};

// y = floor(acc * m / 2^(G + s)) + b, saturated and activated: a clip.
inline act_t finish(const acc_t &acc, const param_t &param, std::int64_t low, std::int64_t high) {
    HLS(INLINE)
    const int places = GUARD + int(param.s);
    std::int64_t scaled;
    if constexpr (SCALE_DIGITS > 0)
        scaled = scale_by_digits<SCALE_DIGITS>(std::int64_t(acc), param.m, places);
    else
        scaled = scale_multiplied(std::int64_t(acc), sint<18>(std::int64_t(param.m)), places);
    return narrow<act_t>(clip(scaled + std::int64_t(param.b), low, high));
}

} // namespace hwshift

#endif
