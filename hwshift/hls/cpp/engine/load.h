// Loads: memory to the shift buffer, the tables and the weight ring.
#ifndef HWSHIFT_LOAD_H
#define HWSHIFT_LOAD_H

#include "shift_buffer.h"
#include "types.h"

namespace hwshift {

inline std::uint64_t beat_of(std::uint64_t address) {
    HLS(INLINE)
    return address / BEAT_BYTES;
}

template <int W> act_t element(const bits<W> &from, int index) {
    HLS(INLINE)
    return narrow<act_t>(sint<STORAGE_BITS>(get_bits<STORAGE_BITS>(from, index * STORAGE_BITS)));
}

// -- maps ------------------------------------------------------------------------------------------------------

// [rows][width][slots][R]: a beat fills some banks of one slot of one pixel.
inline void load_map(const load_t &op, const beat_t *memory, buffer_t buffer) {
    offset_t row = op.offset;
    HLS_LOOP(load_rows)
    for (int y = 0; y < int(op.rows); y++) {
        const std::uint64_t first = beat_of(std::uint64_t(op.address) + std::uint64_t(y) * std::uint64_t(op.row_stride));
        std::uint32_t done = 0;
        HLS_LOOP(load_pixels)
        for (int x = 0; x < int(op.width); x++) {
            HLS_LOOP(load_slots)
            for (int slot = 0; slot < int(op.slots); slot++) {
                HLS_LOOP(load_beats)
                for (int part = 0; part < VECTOR_BEATS; part++) {
                    HLS(PIPELINE II = 1)
                    const beat_t beat = memory[first + done];
                    const int place = int(op.x0) + x;
                    const int word = word_of(op.base, op.length, std::uint32_t(row) + std::uint32_t(slot) * std::uint32_t(op.pitch) +
                                                                     std::uint32_t(place >> SUB_BITS));
                    for (int bank = 0; bank < ROWS; bank++) {
                        HLS(UNROLL)
                        if (bank / BEAT_ELEMENTS == part)
                            buffer[bank][sub_bank(place)][word] = element(beat, bank % BEAT_ELEMENTS);
                    }
                    done++;
                }
            }
        }
        row = wrap(std::uint32_t(row) + std::uint32_t(op.row_step), op.length);
    }
}

// Which of a pixel's elements a bank receives: bank mod channels, for 1 to 4 channels.
inline int input_element(int bank, int channels) {
    HLS(INLINE)
    switch (channels) {
    case 1:
        return 0;
    case 2:
        return bank % 2;
    case 3:
        return bank % 3;
    default:
        return bank % 4;
    }
}

// How many banks hold whole copies of a pixel's channels; the others read as 0.
inline int input_banks(int channels) {
    HLS(INLINE)
    switch (channels) {
    case 3:
        return ROWS / 3 * 3;
    default:
        return ROWS; // 4, 8, 16 or 32
    }
}

// The network's input, [count][width][channels] without gaps, broadcast over the banks. It may begin inside a beat.
// The window holds the values that no pixel has taken; a beat is read when a pixel needs it.
inline void load_input(const load_t &op, const beat_t *memory, buffer_t buffer) {
    constexpr int WINDOW_BITS = ((INPUT_CHANNELS - 1) * STORAGE_BITS + BUS_WIDTH + 31) / 32 * 32;
    const int channels = int(op.channels), before = int(std::uint64_t(op.address) % BEAT_BYTES * 8) / STORAGE_BITS;
    std::uint64_t next = beat_of(op.address);
    bits<WINDOW_BITS> window;
    set_word(window, 0, memory[next++]);
    drop_bits(window, before * STORAGE_BITS);
    int held = BEAT_ELEMENTS - before;
    offset_t row = op.offset;
    HLS_LOOP(input_rows)
    for (int y = 0; y < int(op.count); y++) {
        HLS_LOOP(input_pixels)
        for (int x = 0; x < int(op.width); x++) {
            HLS_LOOP(input_beats)
            for (int part = 0; part < INPUT_BEATS; part++) {
                HLS(PIPELINE II = 1)
                if (held < channels) {
                    const beat_t beat = memory[next++];
                    for (int i = 0; i < BEAT_WORDS; i++) {
                        HLS(UNROLL)
                        set_bits<32>(window, held * STORAGE_BITS + 32 * i, get_bits<32>(beat, 32 * i));
                    }
                    held += BEAT_ELEMENTS;
                }
            }
            const int place = int(op.x0) + x;
            const int word = word_of(op.base, op.length, std::uint32_t(row) + std::uint32_t(place >> SUB_BITS));
            for (int bank = 0; bank < ROWS; bank++) {
                HLS(UNROLL)
                const bool used = bank < input_banks(channels);
                buffer[bank][sub_bank(place)][word] = used ? element(window, input_element(bank, channels)) : act_t(0);
            }
            drop_bits(window, channels * STORAGE_BITS);
            held -= channels;
        }
        row = wrap(std::uint32_t(row) + std::uint32_t(op.row_step), op.length);
    }
}

// -- tables ----------------------------------------------------------------------------------------------------

inline bool load_ktiles(const load_t &op, const beat_t *memory, ktiles_t ktiles) {
    const int beats = int(op.row_beats);
    if (int(op.dest) + beats * BEAT_WORDS > KTILE_ENTRIES)
        return false;
    HLS_LOOP(ktile_beats)
    for (int i = 0; i < beats; i++) {
        HLS(PIPELINE II = 1)
        const beat_t beat = memory[beat_of(op.address) + i];
        for (int word = 0; word < BEAT_WORDS; word++) {
            HLS(UNROLL)
            ktiles[int(op.dest) + i * BEAT_WORDS + word] = unpack_ktile(std::uint32_t(get_bits<32>(beat, 32 * word)));
        }
    }
    return true;
}

inline bool load_lanes(const load_t &op, const beat_t *memory, lanes_t lanes) {
    if (int(op.dest) + int(op.count) > LANE_ROWS)
        return false;
    HLS_LOOP(lane_rows)
    for (int row = 0; row < int(op.count); row++) {
        HLS_LOOP(lane_beats)
        for (int part = 0; part < ROWS / BEAT_WORDS; part++) {
            HLS(PIPELINE II = 1)
            const beat_t beat = memory[beat_of(op.address) + row * (ROWS / BEAT_WORDS) + part];
            for (int word = 0; word < BEAT_WORDS; word++) {
                HLS(UNROLL)
                lanes[int(op.dest) + row][part * BEAT_WORDS + word] =
                    unpack_lane(std::uint32_t(get_bits<32>(beat, 32 * word)));
            }
        }
    }
    return true;
}

// One entry of 64 bits per column; a tile of entries is padded to whole beats.
inline bool load_params(const load_t &op, const beat_t *memory, params_t params) {
    if (int(op.dest) + int(op.count) > PARAM_TILES)
        return false;
    HLS_LOOP(param_tiles)
    for (int tile = 0; tile < int(op.count); tile++) {
        bits<PARAM_BEATS * BUS_WIDTH> entries;
        HLS_LOOP(param_beats)
        for (int part = 0; part < PARAM_BEATS; part++) {
            HLS(PIPELINE II = 1)
            const beat_t beat = memory[beat_of(op.address) + tile * PARAM_BEATS + part];
            set_word(entries, part * BUS_WIDTH, beat);
        }
        HLS_LOOP(param_columns)
        for (int column = 0; column < COLUMNS; column++) {
            HLS(UNROLL)
            params[int(op.dest) + tile][column] = unpack_param(get_bits<64>(entries, 64 * column));
        }
    }
    return true;
}

// -- weights ---------------------------------------------------------------------------------------------------

// A load of weights is only noted; its tiles are fetched when the array comes to need them, as many at a time as
// the ring has room for. So a layer may have more tiles than the ring holds.
struct weight_job_t {
    std::uint64_t beat;    // of the next tile
    uintw<16> tiles;       // left
    uintw<1> zero_code;    // the code of -2^p_min means zero
};

// The ring: `count` tiles from `head` on.
struct weight_state_t {
    weight_job_t jobs[WEIGHT_JOBS];
    int first_job, job_count;
    int head, count;
};

inline int ring_slot(int tile) {
    HLS(INLINE)
    return tile >= WEIGHT_TILES ? tile - WEIGHT_TILES : tile;
}

inline bool note_weights(const load_t &op, weight_state_t &state) {
    if (state.job_count == WEIGHT_JOBS)
        return false;
    weight_job_t &job = state.jobs[(state.first_job + state.job_count) % WEIGHT_JOBS];
    job.beat = beat_of(op.address);
    job.tiles = op.count;
    job.zero_code = op.zero_code;
    state.job_count++;
    return true;
}

inline weight_t expand(std::uint64_t code, bool zero_code) {
    HLS(INLINE)
    constexpr std::uint64_t LEAST = std::uint64_t(1) << (CODE_BITS - 1) | std::uint64_t(POWER_RANGE); // -2^p_min
    weight_t out;
    out.code = code;
    out.zero = SHIFT_ADD && zero_code && code == LEAST ? 1 : 0;
    return out;
}

// One tile from memory: R rows of C codes, packed, padded to whole beats. A gearbox turns beats into words.
inline void load_tile(std::uint64_t beat, bool zero_code, const beat_t *memory, ring_t ring, int slot) {
    constexpr int GEAR_BITS = (WORD_BITS + BUS_WIDTH + 31) / 32 * 32;
    bits<GEAR_BITS> gear;
    int filled = 0, word = 0;
    HLS_LOOP(gearbox)
    for (int taken = 0; word < TILE_WORDS;) {
        HLS(PIPELINE II = 1)
        if (filled >= WORD_BITS) {
            for (int row = 0; row < WEIGHT_ROWS; row++) {
                HLS(UNROLL)
                for (int column = 0; column < COLUMNS; column++) {
                    HLS(UNROLL)
                    const std::uint64_t code = get_bits<CODE_BITS>(gear, (row * COLUMNS + column) * CODE_BITS);
                    ring[slot * TILE_WORDS + word].at[row][column] = expand(code, zero_code);
                }
            }
            drop_bits(gear, WORD_BITS);
            filled -= WORD_BITS;
            word++;
        } else {
            const beat_t next = memory[beat + taken];
            taken++;
            for (int i = 0; i < BEAT_WORDS; i++) {
                HLS(UNROLL)
                set_bits<32>(gear, filled + 32 * i, get_bits<32>(next, 32 * i));
            }
            filled += BUS_WIDTH;
        }
    }
}

// Fill the ring from the loads that wait.
inline void refill(const beat_t *memory, ring_t ring, weight_state_t &state) {
    HLS_LOOP(refill_tiles)
    while (state.count < WEIGHT_TILES && state.job_count > 0) {
        weight_job_t &job = state.jobs[state.first_job];
        load_tile(job.beat, job.zero_code, memory, ring, ring_slot(state.head + state.count));
        state.count++;
        job.beat += TILE_BEATS;
        job.tiles = int(job.tiles) - 1;
        if (int(job.tiles) == 0) {
            state.first_job = (state.first_job + 1) % WEIGHT_JOBS;
            state.job_count--;
        }
    }
}

} // namespace hwshift

#endif
