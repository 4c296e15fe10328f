// The epilogue: y = floor(acc * m / 2^(G + s)) + b, saturate -> activation -> + residual, saturate -> activation.
//
// Every activation is a clip inside the format, so it saturates as well; the sigmoid, a table, comes last.
#ifndef HWSHIFT_EPILOGUE_H
#define HWSHIFT_EPILOGUE_H

#include "arithmetic.h"
#include "hwshift_sigmoid.h"
#include "shift_buffer.h"
#include "types.h"

namespace hwshift {

// floor((t + 8) * 64), cut to the table.
inline std::int64_t look_up(std::int64_t y) {
    HLS(INLINE)
    constexpr int DOWN = ACT_FRACTION > 6 ? ACT_FRACTION - 6 : 0, UP = ACT_FRACTION < 6 ? 6 - ACT_FRACTION : 0;
    const std::int64_t bin = (y >> DOWN) * (std::int64_t(1) << UP) + SIGMOID_ENTRIES / 2;
    return SIGMOID[clip(bin, 0, SIGMOID_ENTRIES - 1)];
}

inline act_t finish(const acc_t &acc, const param_t &param, const window_t &first, bool residual, const act_t &added,
                    const window_t &second, bool sigmoid) {
    HLS(INLINE)
    const int places = GUARD + int(param.shift);
    std::int64_t scaled;
    if constexpr (SCALE_DIGITS > 0)
        scaled = scale_by_digits<SCALE_DIGITS>(std::int64_t(acc), sint<24>(param.scale), places);
    else
        scaled = scale_multiplied(std::int64_t(acc), sint<18>(param.scale), places);
    std::int64_t y = clip(scaled + std::int64_t(param.bias), std::int64_t(first.low), std::int64_t(first.high));
    if (residual)
        y = clip(y + std::int64_t(added), std::int64_t(second.low), std::int64_t(second.high));
    if constexpr (HAS_SIGMOID) {
        if (sigmoid)
            y = look_up(y);
    }
    hw_check(HAS_SIGMOID || !sigmoid, "the configuration leaves out sigmoid");
    return narrow<act_t>(y);
}

// All columns and pixel lanes of one step.
inline void finish_step(const sums_t &sums, const param_t params[COLUMNS], const place_t &to, const window_t &first,
                        bool residual, const act_t added[PIXELS][COLUMNS], const window_t &second, bool sigmoid,
                        act_t values[PIXELS][COLUMNS]) {
    HLS(INLINE)
    for (int p = 0; p < PIXELS; p++) {
        HLS(UNROLL)
        for (int column = 0; column < COLUMNS; column++) {
            HLS(UNROLL)
            const bool used = p < int(to.pixels) && (std::uint32_t(to.columns) >> column & 1);
            const acc_t acc = used ? sums.at[p][column] : acc_t(0);
            values[p][column] = finish(acc, params[column], first, residual, added[p][column], second, sigmoid);
        }
    }
}

} // namespace hwshift

#endif
