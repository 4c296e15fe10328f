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

// With row_taps, how many steps ago the element of a row and column takes its value.
constexpr int element_age(int row, int column) {
    const int behind = (row + COLUMNS - column) % COLUMNS;
    return behind < ROW_TAPS ? behind : 0;
}

// What an element takes: what its lane reads, or a lane above it read some steps ago.
inline act_t element(const recent_t &recent, bool row_taps, int p, int row, int column) {
    HLS(INLINE)
    if constexpr (HAS_ROW_TAPS) {
        const int age = element_age(row, column);
        if (row_taps)
            return recent.steps[age].at[p][(row + ROWS - age) % ROWS];
    }
    return recent.steps[0].at[p][row];
}

// What a step reads comes in front of what those before it read.
inline void remember(recent_t &recent, const vectors_t &x) {
    HLS(INLINE)
    if constexpr (HAS_ROW_TAPS) {
        for (int age = ROW_TAPS - 1; age > 0; age--) {
            HLS(UNROLL)
            recent.steps[age] = recent.steps[age - 1];
        }
    }
    recent.steps[0] = x;
}

// Column sums of one step. Columns that hold nothing may wrap: they are masked when they are written.
inline void multiply(const recent_t &recent, bool row_taps, const tile_t weights, sums_t &out) {
    HLS(INLINE)
    for (int p = 0; p < PIXELS; p++) {
        HLS(UNROLL)
        for (int column = 0; column < COLUMNS; column++) {
            HLS(UNROLL)
            acc_t sum = 0;
            for (int lane = 0; lane < ROWS; lane++) {
                HLS(UNROLL)
                sum = add_wrap(sum, term(element(recent, row_taps, p, lane, column), weights[lane][column]));
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
