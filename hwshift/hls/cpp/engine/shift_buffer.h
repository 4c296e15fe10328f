// The shift buffer: R banks of 2P sub-banks. Pixel x of a row lies in sub-bank x mod 2P, at word x / 2P of its row.
//
// A buffer is (base, length): offsets are modulo its length, which is one conditional subtraction, since every
// offset is below twice the length. A spatial shift is nothing but an address: each lane adds its own (dy, dx).
#ifndef HWSHIFT_SHIFT_BUFFER_H
#define HWSHIFT_SHIFT_BUFFER_H

#include "types.h"

namespace hwshift {

inline offset_t wrap(std::uint32_t offset, offset_t length) {
    HLS(INLINE)
    const std::uint32_t inside = offset >= std::uint32_t(length) ? offset - std::uint32_t(length) : offset;
    hw_check(inside < std::uint32_t(length), "an offset lies outside its buffer");
    return offset_t(inside);
}

// Word in every sub-bank of an offset that may have passed the end of its buffer.
inline int word_of(offset_t base, offset_t length, std::uint32_t offset) {
    HLS(INLINE)
    const int word = int(std::uint32_t(base) + std::uint32_t(wrap(offset, length)));
    hw_check(word < FEATURE_DEPTH, "a word lies outside the shift buffer");
    return word;
}

inline int sub_bank(int x) {
    HLS(INLINE)
    return x & (SUB_BANKS - 1);
}

// Where the lanes of a step read: the pass's source map and the position of the step in it.
struct source_t {
    offset_t base, length;
    std::uint32_t offset;     // row offset plus the k-tile's
    coordinate_t x, y;        // of pixel lane 0, before a lane's own displacement
    uintw<16> width, height;  // of the source map
    uintw<4> stride_x;        // columns from one pixel lane to the next
    uintw<4> pixel_lanes;     // pixel lanes in use
    uintw<1> pad_min;         // outside the map: the format's minimum instead of 0
    uintw<1> relu;            // rectify what is read
};

// One lane of one step: P pixels from the 2P sub-banks of the lane's bank, one access to each sub-bank.
inline void read_lane(const act_t bank[SUB_BANKS][FEATURE_DEPTH], const source_t &from, const lane_t &lane,
                      act_t values[PIXELS]) {
    HLS(INLINE)
    int word[SUB_BANKS], sub[PIXELS];
    bool inside[PIXELS], taken[SUB_BANKS];
    HLS(ARRAY_PARTITION variable = word complete)
    HLS(ARRAY_PARTITION variable = sub complete)
    HLS(ARRAY_PARTITION variable = inside complete)
    HLS(ARRAY_PARTITION variable = taken complete)
    for (int s = 0; s < SUB_BANKS; s++) {
        HLS(UNROLL)
        word[s] = 0;
        taken[s] = false;
    }
    const coordinate_t y = narrow<coordinate_t>(int(from.y) + int(lane.dy));
    for (int p = 0; p < PIXELS; p++) { // address generators
        HLS(UNROLL)
        const coordinate_t x = narrow<coordinate_t>(int(from.x) + p * int(from.stride_x) + int(lane.dx));
        inside[p] = lane.enable && p < int(from.pixel_lanes) && int(x) >= 0 && int(x) < int(from.width) &&
                    int(y) >= 0 && int(y) < int(from.height);
        sub[p] = sub_bank(int(x));
        if (inside[p]) {
            const std::uint32_t offset = from.offset + std::uint32_t(lane.offset) + (std::uint32_t(int(x)) >> SUB_BITS);
            const int address = word_of(from.base, from.length, offset);
            hw_check(!taken[sub[p]] || word[sub[p]] == address, "two pixel lanes meet in a sub-bank");
            word[sub[p]] = address;
            taken[sub[p]] = true;
        }
    }
    act_t data[SUB_BANKS];
    HLS(ARRAY_PARTITION variable = data complete)
    for (int s = 0; s < SUB_BANKS; s++) { // port A
        HLS(UNROLL)
        data[s] = bank[s][word[s]];
    }
    for (int p = 0; p < PIXELS; p++) {
        HLS(UNROLL)
        const bool negative = int(data[sub[p]]) < 0;
        if (inside[p])
            values[p] = from.relu && negative ? act_t(0) : data[sub[p]];
        else
            values[p] = lane.enable && from.pad_min ? act_t(ACT_MIN) : act_t(0);
    }
}

// What the array gets in one step.
inline void read_step(const buffer_t buffer, const source_t &from, const lane_t lanes[ROWS], vectors_t &out) {
    HLS(INLINE)
    for (int lane = 0; lane < ROWS; lane++) {
        HLS(UNROLL)
        act_t values[PIXELS];
        HLS(ARRAY_PARTITION variable = values complete)
        read_lane(buffer[lane], from, lanes[lane], values);
        for (int p = 0; p < PIXELS; p++) {
            HLS(UNROLL)
            out.at[p][lane] = values[p];
        }
    }
}

// Where a step writes its columns, or where its residual lies: one word in `pixels` neighbouring sub-banks.
struct place_t {
    int word;
    int sub;             // of pixel lane 0
    uintw<4> pixels;     // that count
    int group;           // columns belong to banks group * C + column
    uintw<32> columns;   // mask
};

inline void write_step(buffer_t buffer, const place_t &to, const act_t values[PIXELS][COLUMNS]) {
    HLS(INLINE)
    for (int bank = 0; bank < ROWS; bank++) {
        HLS(UNROLL)
        const int column = bank % COLUMNS;
        for (int p = 0; p < PIXELS; p++) {
            HLS(UNROLL)
            if (bank / COLUMNS == to.group && p < int(to.pixels) && (std::uint32_t(to.columns) >> column & 1))
                buffer[bank][to.sub + p][to.word] = values[p][column];
        }
    }
}

inline void read_columns(const buffer_t buffer, const place_t &from, act_t values[PIXELS][COLUMNS]) {
    HLS(INLINE)
    for (int p = 0; p < PIXELS; p++) {
        HLS(UNROLL)
        for (int column = 0; column < COLUMNS; column++) {
            HLS(UNROLL)
            const bool wanted = p < int(from.pixels);
            values[p][column] = wanted ? buffer[from.group * COLUMNS + column][from.sub + p][from.word] : act_t(0);
        }
    }
}

} // namespace hwshift

#endif
