// Types that follow from the configuration: what the memories hold, and how wide every value is.
#ifndef HWSHIFT_TYPES_H
#define HWSHIFT_TYPES_H

#include "hwshift_config.h"
#include "hwshift_int.h"
#include "hwshift_isa.h"

namespace hwshift {

constexpr int log2_of(int value) {
    return value <= 1 ? 0 : 1 + log2_of(value / 2);
}

// -- widths ----------------------------------------------------------------------------------------------------

constexpr int BEAT_BYTES = BUS_WIDTH / 8;
constexpr int BEAT_WORDS = BUS_WIDTH / 32;               // table words of 32 bits
constexpr int BEAT_ELEMENTS = BUS_WIDTH / STORAGE_BITS;  // activations
constexpr int VECTOR_BEATS = ROWS / BEAT_ELEMENTS;       // beats of one slot of one pixel
constexpr int INPUT_BEATS = (INPUT_CHANNELS + BEAT_ELEMENTS - 1) / BEAT_ELEMENTS; // a pixel may wait for
constexpr int SUB_BANKS = 2 * PIXELS;
constexpr int SUB_BITS = log2_of(SUB_BANKS);
constexpr int GROUPS = ROWS / COLUMNS;
constexpr int TILE_WORDS = ROWS / WEIGHT_ROWS;
constexpr int WORD_BITS = WEIGHT_ROWS * COLUMNS * CODE_BITS;
constexpr int TILE_BEATS = (ROWS * COLUMNS * CODE_BITS + BUS_WIDTH - 1) / BUS_WIDTH;
constexpr int PARAM_BEATS = COLUMNS * 64 > BUS_WIDTH ? COLUMNS * 64 / BUS_WIDTH : 1; // of one tile of parameters
constexpr int INSTRUCTION_BEATS = INSTRUCTION_BITS / BUS_WIDTH;

// -- values ----------------------------------------------------------------------------------------------------

typedef bits<BUS_WIDTH> beat_t;
typedef sint<ACT_BITS> act_t;
typedef sint<ACC_BITS> acc_t;
typedef sint<COORDINATE_BITS> coordinate_t; // row or column of a source map, which may lie outside of it
typedef uintw<16> offset_t;                 // words within a buffer, below its length

constexpr std::int64_t ACT_MIN = -(std::int64_t(1) << (ACT_BITS - 1));
constexpr std::int64_t ACT_MAX = (std::int64_t(1) << (ACT_BITS - 1)) - 1;

// A weight's code as it lies in memory, and beside it whether it means zero (shift_add: 33 values need a bit more).
struct weight_t {
    uintw<CODE_BITS> code;
    uintw<1> zero;
};

// What the loader assembles and the array takes in one cycle: W_r rows of a tile.
struct weight_word_t {
    weight_t at[WEIGHT_ROWS][COLUMNS];
};

// Values that one step reads: one vector per pixel lane.
struct vectors_t {
    act_t at[PIXELS][ROWS];
};

// The same of a step and of those before it: index [steps ago].
struct recent_t {
    vectors_t steps[HAS_ROW_TAPS ? ROW_TAPS : 1];
};

// Column sums of one step.
struct sums_t {
    acc_t at[PIXELS][COLUMNS];
};

// What an activation lets through.
struct window_t {
    act_t low, high;
};

// -- memories --------------------------------------------------------------------------------------------------

typedef act_t buffer_t[ROWS][SUB_BANKS][FEATURE_DEPTH]; // the shift buffer: R banks of 2P sub-banks
typedef weight_word_t ring_t[WEIGHT_TILES * TILE_WORDS];
typedef weight_t tile_t[ROWS][COLUMNS];
typedef acc_t accumulators_t[PIXELS][ACC_DEPTH][COLUMNS];
typedef act_t residuals_t[PIXELS][ACC_DEPTH][COLUMNS];
typedef ktile_t ktiles_t[KTILE_ENTRIES];
typedef lane_t lanes_t[LANE_ROWS][ROWS];
typedef param_t params_t[PARAM_TILES][COLUMNS];

// A run's registers, with the names of the RTL's.
struct launch_t {
    std::uint64_t program_base, program_limit;
    std::uint64_t read_base, read_limit;
    std::uint64_t write_base, write_limit;
    std::uint32_t program_count;
};

} // namespace hwshift

#endif
