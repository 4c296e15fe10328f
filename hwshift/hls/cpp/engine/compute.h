// COMPUTE: output tile -> chunk of rows -> k-tile -> pixel.
//
// A pass is one k-tile over one chunk. Its loop runs one step (P pixels, R lanes) per cycle and meanwhile moves the
// next pass's weights from the ring into the array's shadow registers: a pass lasts max(steps, R / W_r) cycles and
// the depth of the pipeline.
#ifndef HWSHIFT_COMPUTE_H
#define HWSHIFT_COMPUTE_H

#include "array.h"
#include "epilogue.h"
#include "load.h"
#include "shift_buffer.h"
#include "types.h"

namespace hwshift {

// -- weights, in the order of the passes -------------------------------------------------------------------------

// Which tile of the ring a pass uses: position head + k, and once the last chunk has used it, it leaves the ring. With
// keep_weights all tiles stay where they are, and the instruction's own begin at weight_offset.
struct weight_walk_t {
    int k, chunk, tile; // of the next pass
    bool done;
};

inline void next_pass(const compute_t &op, weight_walk_t &walk) {
    walk.done = walk.done || op.hold_weights;
    if (++walk.k == int(op.ktile_count)) {
        walk.k = 0;
        if (++walk.chunk == int(op.chunks)) {
            walk.chunk = 0;
            walk.done = walk.done || ++walk.tile == int(op.tiles);
        }
    }
}

// Place in the ring of the next pass's tile, which is fetched if it is not there; false if no load brings it.
inline bool next_tile(const compute_t &op, weight_walk_t &walk, const beat_t *memory, ring_t ring,
                      weight_state_t &state, int &slot) {
    const bool leaves = !op.keep_weights && (op.hold_weights || walk.chunk == int(op.chunks) - 1);
    const int kept = int(op.weight_offset) + walk.tile * int(op.ktile_count) + walk.k;
    const int position = op.keep_weights ? kept : leaves ? 0 : walk.k;
    if (position >= state.count)
        refill(memory, ring, state);
    if (position >= state.count)
        return false;
    slot = ring_slot(state.head + position);
    if (leaves) {
        state.head = ring_slot(state.head + 1);
        state.count--;
    }
    next_pass(op, walk);
    return true;
}

inline void shadow_word(const ring_t ring, int slot, int word, tile_t shadow) {
    HLS(INLINE)
    const weight_word_t rows = ring[slot * TILE_WORDS + word];
    for (int row = 0; row < WEIGHT_ROWS; row++) {
        HLS(UNROLL)
        for (int column = 0; column < COLUMNS; column++) {
            HLS(UNROLL)
            shadow[word * WEIGHT_ROWS + row][column] = rows.at[row][column];
        }
    }
}

inline void swap_weights(const tile_t shadow, tile_t active) {
    for (int row = 0; row < ROWS; row++) {
        HLS(UNROLL)
        for (int column = 0; column < COLUMNS; column++) {
            HLS(UNROLL)
            active[row][column] = shadow[row][column];
        }
    }
}

// -- one pass ----------------------------------------------------------------------------------------------------

struct pass_t {
    source_t source;             // its first step's
    offset_t row_step;           // source offset from one row to the next
    int rows;                    // of the chunk
    std::uint32_t ktile_offset;
    offset_t row_offset;         // source row, without the k-tile's offset
    int lane_row, param;
    bool first, last;            // of the k-tiles of a chunk
    int out_slot, res_slot;      // offset of the output tile's slot
    offset_t out_row, res_row;   // offset of the chunk's first row
    int group;
    std::uint32_t columns;       // mask
    window_t act, residual_act;
    bool sigmoid;                // after the last of both
};

// Pixel lanes that a step uses.
inline int used_lanes(const compute_t &op) {
    HLS(INLINE)
    return int(op.out_step) < PIXELS ? int(op.out_step) : PIXELS;
}

// First steps of a row that give no pixels: they read what elements take from steps before.
inline int lead_steps(const compute_t &op) {
    HLS(INLINE)
    return op.row_taps ? ROW_TAPS - 1 : 0;
}

// Where the step at (row, step) of a pass writes or reads a residual.
inline place_t place_of(const compute_t &op, const pass_t &pass, int step, offset_t base, offset_t length, offset_t row,
                        int slot) {
    HLS(INLINE)
    const int given = step - lead_steps(op);
    const int x = int(op.out_x0) + (given > 0 ? given : 0) * int(op.out_step);
    place_t out;
    out.word = word_of(base, length, std::uint32_t(row) + std::uint32_t(slot) + std::uint32_t(x >> SUB_BITS));
    out.sub = sub_bank(x);
    out.pixels = given < 0 ? 0 : step == int(op.steps) - 1 ? int(op.last_pixels) : used_lanes(op);
    out.group = pass.group;
    out.columns = pass.columns;
    return out;
}

// The residuals of a chunk, read before its last pass: the shift buffer has two ports, one for the array's reads
// and one for the epilogue's writes.
inline void read_residuals(const compute_t &op, const pass_t &pass, const buffer_t buffer, residuals_t residuals) {
    offset_t row = pass.res_row;
    int y = 0, step = 0;
    HLS_LOOP(residual_steps)
    for (int i = 0; i < pass.rows * int(op.steps); i++) {
        HLS(PIPELINE II = 1)
        act_t values[PIXELS][COLUMNS];
        HLS(ARRAY_PARTITION variable = values dim = 0 complete)
        read_columns(buffer, place_of(op, pass, step, op.res_base, op.res_length, row, pass.res_slot), values);
        for (int p = 0; p < PIXELS; p++) {
            HLS(UNROLL)
            for (int column = 0; column < COLUMNS; column++) {
                HLS(UNROLL)
                residuals[p][i][column] = values[p][column];
            }
        }
        if (++step == int(op.steps)) {
            step = 0;
            y++;
            row = wrap(std::uint32_t(row) + std::uint32_t(op.res_row_step), op.res_length);
        }
    }
}

// The steps of a pass. `slot` is the ring's place of the next pass's weights, or -1.
inline void run_pass(const compute_t &op, const pass_t &pass, const lane_t lanes[ROWS], const param_t params[COLUMNS],
                     const ring_t ring, int slot, const tile_t active, tile_t shadow, const residuals_t residuals,
                     buffer_t buffer, accumulators_t accumulators) {
    const int steps = pass.rows * int(op.steps);
    const int length = slot >= 0 && steps < TILE_WORDS ? TILE_WORDS : steps;
    source_t source = pass.source;
    offset_t row_offset = pass.row_offset, out_row = pass.out_row;
    recent_t recent = {};
    int step = 0;
    HLS_LOOP(pass_steps)
    for (int i = 0; i < length; i++) {
        HLS(PIPELINE II = 1)
        // A pass reads what earlier passes wrote, never what it writes itself; a step has its own accumulators.
        HLS(DEPENDENCE variable = buffer type = inter dependent = false)
        HLS(DEPENDENCE variable = accumulators type = inter dependent = false)
        if (slot >= 0 && i < TILE_WORDS)
            shadow_word(ring, slot, i, shadow);
        if (i < steps) {
            source.offset = std::uint32_t(row_offset) + pass.ktile_offset;
            source.x = narrow<coordinate_t>(int(op.x0) + step * int(op.x_step));
            vectors_t x;
            sums_t sums;
            read_step(buffer, source, lanes, x);
            remember(recent, x);
            multiply(recent, op.row_taps, active, sums);
            accumulate(accumulators, i, pass.first, op.maximum, sums);
            if (pass.last) {
                const place_t to = place_of(op, pass, step, op.out_base, op.out_length, out_row, pass.out_slot);
                act_t added[PIXELS][COLUMNS], values[PIXELS][COLUMNS];
                for (int p = 0; p < PIXELS; p++) {
                    HLS(UNROLL)
                    for (int column = 0; column < COLUMNS; column++) {
                        HLS(UNROLL)
                        added[p][column] = residuals[p][i][column];
                    }
                }
                finish_step(sums, params, to, pass.act, op.residual, added, pass.residual_act, pass.sigmoid, values);
                write_step(buffer, to, values);
            }
            if (++step == int(op.steps)) {
                step = 0;
                row_offset = wrap(std::uint32_t(row_offset) + std::uint32_t(pass.row_step), source.length);
                source.y = narrow<coordinate_t>(int(source.y) + int(op.stride_y));
                if (pass.last)
                    out_row = wrap(std::uint32_t(out_row) + std::uint32_t(op.out_row_step), op.out_length);
            }
        }
    }
}

// -- the instruction ---------------------------------------------------------------------------------------------

// What DESCRIPTOR and ACTIVATION set for the COMPUTEs that follow.
struct registers_t {
    descriptor_t sources[DESCRIPTORS];
    activation_t bounds;
};

inline bool window_of(int code, const act_t &low, const act_t &high, window_t &out) {
    switch (code) {
    case ACT_NONE:
    case ACT_SIGMOID: // looked up after the last saturation
        out.low = ACT_MIN;
        out.high = ACT_MAX;
        return true;
    case ACT_RELU:
        out.low = 0;
        out.high = ACT_MAX;
        return true;
    case ACT_CLAMP:
        out.low = low;
        out.high = high;
        return true;
    default:
        return false;
    }
}

// Where the loops of an instruction stand: rows of every source and of output and residual, slots, column group.
struct walk_t {
    offset_t start[DESCRIPTORS];
    offset_t out_row, res_row;
    int out_slot, res_slot, group, ktile, y, rows_left;
};

inline void start_tile(const compute_t &op, const registers_t &registers, walk_t &walk) {
    for (int d = 0; d < DESCRIPTORS; d++) {
        HLS(UNROLL)
        walk.start[d] = registers.sources[d].offset;
    }
    walk.out_row = op.out_offset;
    walk.res_row = op.res_offset;
    walk.y = int(op.y0);
    walk.rows_left = int(op.rows);
}

inline offset_t advance_rows(offset_t row, offset_t step, offset_t length, int rows) {
    for (int i = 0; i < rows; i++)
        row = wrap(std::uint32_t(row) + std::uint32_t(step), length);
    return row;
}

inline void next_chunk(const compute_t &op, const registers_t &registers, int rows, walk_t &walk) {
    for (int d = 0; d < DESCRIPTORS; d++) {
        HLS(UNROLL)
        const descriptor_t &source = registers.sources[d];
        const std::uint32_t next = std::uint32_t(walk.start[d]) + std::uint32_t(source.chunk_step);
        walk.start[d] = next >= std::uint32_t(source.length) ? next - std::uint32_t(source.length) : next;
    }
    walk.out_row = advance_rows(walk.out_row, op.out_row_step, op.out_length, rows);
    if (op.residual)
        walk.res_row = advance_rows(walk.res_row, op.res_row_step, op.res_length, rows);
    walk.y += int(op.chunk_y);
    walk.rows_left -= rows;
}

inline void next_output_tile(const compute_t &op, walk_t &walk) {
    if (op.ktile_advance)
        walk.ktile += int(op.ktile_count);
    if (++walk.group == GROUPS) {
        walk.group = 0;
        walk.out_slot += int(op.out_pitch);
        walk.res_slot += int(op.res_pitch);
    }
}

inline pass_t pass_of(const compute_t &op, const registers_t &registers, const walk_t &walk, const ktile_t &ktile,
                      int tile, int k, int rows) {
    const descriptor_t &from = registers.sources[int(ktile.descriptor)];
    pass_t pass;
    pass.source.base = from.base;
    pass.source.length = from.length;
    pass.source.offset = 0;
    pass.source.x = op.x0;
    pass.source.y = narrow<coordinate_t>(walk.y);
    pass.source.width = op.width;
    pass.source.height = op.height;
    pass.source.stride_x = op.stride_x;
    pass.source.pixel_lanes = used_lanes(op);
    pass.source.pad_min = op.pad_min;
    pass.source.relu = op.relu_fetch;
    pass.row_step = from.row_step;
    pass.rows = rows;
    pass.ktile_offset = std::uint32_t(ktile.offset);
    pass.row_offset = walk.start[int(ktile.descriptor)];
    pass.lane_row = int(ktile.lane_row);
    pass.param = int(op.param_base) + tile;
    pass.first = k == 0;
    pass.last = k == int(op.ktile_count) - 1;
    pass.out_slot = walk.out_slot;
    pass.res_slot = walk.res_slot;
    pass.out_row = walk.out_row;
    pass.res_row = walk.res_row;
    pass.group = walk.group;
    pass.columns = tile == int(op.tiles) - 1 ? std::uint32_t(op.last_columns) : ~std::uint32_t(0);
    return pass;
}

inline status_t compute(const compute_t &op, const registers_t &registers, const beat_t *memory, buffer_t buffer,
                        ring_t ring, weight_state_t &weights, const ktiles_t ktiles, const lanes_t lanes,
                        const params_t params, accumulators_t accumulators, residuals_t residuals) {
    tile_t active, shadow;
    HLS(ARRAY_PARTITION variable = active dim = 0 complete)
    HLS(ARRAY_PARTITION variable = shadow dim = 0 complete)
    window_t act, residual_act;
    if (!window_of(int(op.act), registers.bounds.lo, registers.bounds.hi, act) ||
        !window_of(int(op.residual_act), registers.bounds.residual_lo, registers.bounds.residual_hi, residual_act))
        return BAD_OPCODE;
    if (int(op.chunk_rows) * int(op.steps) > ACC_DEPTH || (op.row_taps && !HAS_ROW_TAPS))
        return BAD_OPCODE;
    const bool sigmoid = int(op.residual ? op.residual_act : op.act) == ACT_SIGMOID;
    if ((sigmoid && !HAS_SIGMOID) || (op.residual && int(op.act) == ACT_SIGMOID))
        return BAD_OPCODE;
    weight_walk_t weight_walk = {0, 0, 0, false};
    int slot = -1;
    if (!next_tile(op, weight_walk, memory, ring, weights, slot))
        return READ_REGION;
    HLS_LOOP(first_weights)
    for (int word = 0; word < TILE_WORDS; word++) {
        HLS(PIPELINE II = 1)
        shadow_word(ring, slot, word, shadow);
    }
    swap_weights(shadow, active);
    walk_t walk;
    walk.out_slot = 0;
    walk.res_slot = 0;
    walk.group = int(op.group0);
    walk.ktile = int(op.ktile_base);
    HLS_LOOP(tiles)
    for (int tile = 0; tile < int(op.tiles); tile++) {
        start_tile(op, registers, walk);
        HLS_LOOP(chunks)
        for (int chunk = 0; chunk < int(op.chunks); chunk++) {
            const int rows = walk.rows_left < int(op.chunk_rows) ? walk.rows_left : int(op.chunk_rows);
            HLS_LOOP(passes)
            for (int k = 0; k < int(op.ktile_count); k++) {
                pass_t pass = pass_of(op, registers, walk, ktiles[walk.ktile + k], tile, k, rows);
                pass.act = act;
                pass.residual_act = residual_act;
                pass.sigmoid = sigmoid;
                slot = -1;
                if (!weight_walk.done && !next_tile(op, weight_walk, memory, ring, weights, slot))
                    return READ_REGION;
                if (pass.last && op.residual)
                    read_residuals(op, pass, buffer, residuals);
                run_pass(op, pass, lanes[pass.lane_row], params[pass.param], ring, slot, active, shadow, residuals,
                         buffer, accumulators);
                if (slot >= 0)
                    swap_weights(shadow, active);
            }
            next_chunk(op, registers, rows, walk);
        }
        next_output_tile(op, walk);
    }
    return NONE;
}

} // namespace hwshift

#endif
