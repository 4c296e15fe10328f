// Stores: a map from the shift buffer to memory, [rows][width][slots][R]; lanes that hold no channel become 0. With
// `gates` a vector goes out as epilogue parameters instead: R / C tiles for a later load.
#ifndef HWSHIFT_STORE_H
#define HWSHIFT_STORE_H

#include "load.h"
#include "shift_buffer.h"
#include "types.h"

namespace hwshift {

// A value as the scale of an epilogue: its code at 16 fraction bits.
inline std::uint64_t gate_of(const act_t &value) {
    HLS(INLINE)
    constexpr int UP = ACT_FRACTION < 16 ? 16 - ACT_FRACTION : 0, DOWN = ACT_FRACTION > 16 ? ACT_FRACTION - 16 : 0;
    const sint<18> m = narrow<sint<18>>((std::int64_t(value) * (std::int64_t(1) << UP)) >> DOWN);
    param_t entry;
    entry.bias = 0;
    entry.scale = uintw<18>(std::int64_t(m));
    entry.shift = 16;
    return pack_param(entry);
}

inline void store_gates(const store_t &op, const buffer_t buffer, beat_t *memory) {
    offset_t row = op.offset;
    HLS_LOOP(gate_rows)
    for (int y = 0; y < int(op.rows); y++) {
        const std::uint64_t first = beat_of(std::uint64_t(op.address) + std::uint64_t(y) * std::uint64_t(op.row_stride));
        std::uint32_t done = 0;
        HLS_LOOP(gate_tiles)
        for (int i = 0; i < int(op.width) * int(op.slots) * GROUPS; i++) {
            const int group = i % GROUPS, slot = i / GROUPS % int(op.slots), place = int(op.x0) + i / GROUPS / int(op.slots);
            const int word = word_of(op.base, op.length, std::uint32_t(row) + std::uint32_t(slot) * std::uint32_t(op.pitch) +
                                                             std::uint32_t(place >> SUB_BITS));
            const std::uint32_t lanes = slot == int(op.slots) - 1 ? std::uint32_t(op.last_lanes) : ~std::uint32_t(0);
            bits<PARAM_BEATS * BUS_WIDTH> entries = {};
            for (int column = 0; column < COLUMNS; column++) {
                HLS(UNROLL)
                const int bank = group * COLUMNS + column;
                const act_t value = lanes >> bank & 1 ? buffer[bank][sub_bank(place)][word] : act_t(0);
                set_bits<64>(entries, 64 * column, gate_of(value));
            }
            HLS_LOOP(gate_beats)
            for (int part = 0; part < PARAM_BEATS; part++) {
                HLS(PIPELINE II = 1)
                beat_t beat;
                for (int i32 = 0; i32 < BEAT_WORDS; i32++) {
                    HLS(UNROLL)
                    set_bits<32>(beat, 32 * i32, get_bits<32>(entries, part * BUS_WIDTH + 32 * i32));
                }
                memory[first + done] = beat;
                done++;
            }
        }
        row = wrap(std::uint32_t(row) + std::uint32_t(op.row_step), op.length);
    }
}

inline void store_map(const store_t &op, const buffer_t buffer, beat_t *memory) {
    offset_t row = op.offset;
    HLS_LOOP(store_rows)
    for (int y = 0; y < int(op.rows); y++) {
        const std::uint64_t first = beat_of(std::uint64_t(op.address) + std::uint64_t(y) * std::uint64_t(op.row_stride));
        std::uint32_t done = 0;
        HLS_LOOP(store_pixels)
        for (int x = 0; x < int(op.width); x++) {
            HLS_LOOP(store_slots)
            for (int slot = 0; slot < int(op.slots); slot++) {
                HLS_LOOP(store_beats)
                for (int part = 0; part < VECTOR_BEATS; part++) {
                    HLS(PIPELINE II = 1)
                    const int place = int(op.x0) + x;
                    const int word = word_of(op.base, op.length, std::uint32_t(row) + std::uint32_t(slot) * std::uint32_t(op.pitch) +
                                                                     std::uint32_t(place >> SUB_BITS));
                    const std::uint32_t lanes = slot == int(op.slots) - 1 ? std::uint32_t(op.last_lanes) : ~std::uint32_t(0);
                    beat_t beat;
                    for (int e = 0; e < BEAT_ELEMENTS; e++) {
                        HLS(UNROLL)
                        const int bank = part * BEAT_ELEMENTS + e;
                        const act_t value = lanes >> bank & 1 ? buffer[bank][sub_bank(place)][word] : act_t(0);
                        set_bits<STORAGE_BITS>(beat, e * STORAGE_BITS, std::uint64_t(std::int64_t(value)));
                    }
                    memory[first + done] = beat;
                    done++;
                }
            }
        }
        row = wrap(std::uint32_t(row) + std::uint32_t(op.row_step), op.length);
    }
}

} // namespace hwshift

#endif
