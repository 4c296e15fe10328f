// The array: R x C processing elements times P pixel lanes, weight-stationary, and the accumulators of its columns.
#ifndef HWSHIFT_ARRAY_H
#define HWSHIFT_ARRAY_H

#include "types.h"

namespace hwshift {

// A processing element. shift_add: +-((x << (G + p_max)) >> q), the sign after the shift. mac: (x * w) >> (n - G).
inline acc_t term(const act_t &x, const weight_t &weight) {
    HLS(INLINE)
    if constexpr (SHIFT_ADD) {
        const int right = int(std::uint64_t(weight.code) & ((1u << (CODE_BITS - 1)) - 1));
        const bool negative = std::uint64_t(weight.code) >> (CODE_BITS - 1) & 1;
        const std::int64_t shifted = (std::int64_t(x) * (std::int64_t(1) << LEFT_SHIFT)) >> right;
        return acc_t(weight.zero ? std::int64_t(0) : negative ? -shifted : shifted);
    } else {
        const sint<CODE_BITS> value(weight.code);
        return acc_t((std::int64_t(x) * std::int64_t(value)) >> RIGHT_SHIFT);
    }
}

// Column sums of one step. Columns that hold nothing may wrap: they are masked when they are written.
inline void multiply(const vectors_t &x, const tile_t weights, sums_t &out) {
    HLS(INLINE)
    for (int p = 0; p < PIXELS; p++) {
        HLS(UNROLL)
        for (int column = 0; column < COLUMNS; column++) {
            HLS(UNROLL)
            acc_t sum = 0;
            for (int lane = 0; lane < ROWS; lane++) {
                HLS(UNROLL)
                sum = add_wrap(sum, term(x.at[p][lane], weights[lane][column]));
            }
            out.at[p][column] = sum;
        }
    }
}

// Add column sums to the accumulators of one step, or take the larger of both; `sums` becomes the new contents.
inline void accumulate(accumulators_t accumulators, int index, bool first, bool maximum, sums_t &sums) {
    HLS(INLINE)
    for (int p = 0; p < PIXELS; p++) {
        HLS(UNROLL)
        for (int column = 0; column < COLUMNS; column++) {
            HLS(UNROLL)
            const acc_t before = accumulators[p][index][column], added = sums.at[p][column];
            const acc_t larger = std::int64_t(before) > std::int64_t(added) ? before : added;
            const acc_t after = first ? added : maximum ? larger : add_wrap(before, added);
            accumulators[p][index][column] = after;
            sums.at[p][column] = after;
        }
    }
}

} // namespace hwshift

#endif
