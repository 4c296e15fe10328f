// Fetches instructions and executes them in the order of the program. That order gives what the RTL's three queues
// give: programs are verified to do so. Loads, computes and stores do not overlap here.
#include "engine.h"

#include "compute.h"
#include "load.h"
#include "store.h"

#ifdef HWSHIFT_VENDOR
#include "hwshift_program.h" // MEMORY_BEATS, for co-simulation
#endif

namespace hwshift {

static bool within(std::uint64_t address, std::uint64_t bytes, std::uint64_t base, std::uint64_t limit) {
    return base <= address && bytes > 0 && address + bytes - 1 <= limit;
}

// Whether all rows of a transfer lie inside a region.
template <class T> static bool transfer_within(const T &op, std::uint64_t base, std::uint64_t limit) {
    const std::uint64_t row = std::uint64_t(op.row_beats) * BEAT_BYTES;
    const std::uint64_t first = beat_of(op.address) * BEAT_BYTES;
    const std::uint64_t last = first + (std::uint64_t(op.rows) - 1) * std::uint64_t(op.row_stride);
    return within(first, row, base, limit) && within(last, row, base, limit);
}

static instruction_t fetch(const beat_t *memory, std::uint64_t address) {
    instruction_t words;
    HLS_LOOP(fetch_beats)
    for (int i = 0; i < INSTRUCTION_BEATS; i++) {
        HLS(PIPELINE II = 1)
        const beat_t beat = memory[beat_of(address) + i];
        set_word(words, i * BUS_WIDTH, beat);
    }
    return words;
}

static status_t check_header(const header_t &op) {
    if (std::uint32_t(op.magic) != ISA_MAGIC || int(op.version) != ISA_VERSION)
        return BAD_HEADER;
    return std::uint32_t(op.config_hash) == CONFIG_HASH ? NONE : CONFIG_MISMATCH;
}

static status_t load(const load_t &op, const beat_t *memory, buffer_t buffer, ktiles_t ktiles, lanes_t lanes,
                     params_t params, weight_state_t &weights) {
    switch (int(op.kind)) {
    case LOAD_MAP:
        load_map(op, memory, buffer);
        return NONE;
    case LOAD_INPUT:
        load_input(op, memory, buffer);
        return NONE;
    case LOAD_WEIGHTS:
        return note_weights(op, weights) ? NONE : BAD_OPCODE;
    case LOAD_PARAMS:
        return load_params(op, memory, params) ? NONE : BAD_OPCODE;
    case LOAD_KTILES:
        return load_ktiles(op, memory, ktiles) ? NONE : BAD_OPCODE;
    case LOAD_LANES:
        return load_lanes(op, memory, lanes) ? NONE : BAD_OPCODE;
    default:
        return BAD_OPCODE;
    }
}

} // namespace hwshift

unsigned hwshift_engine(hwshift::beat_t *memory, std::uint64_t program_base, std::uint64_t program_limit,
                        std::uint32_t program_count, std::uint64_t read_base, std::uint64_t read_limit,
                        std::uint64_t write_base, std::uint64_t write_limit) {
    HLS(INTERFACE mode = m_axi port = memory bundle = m_axi offset = slave depth = hwshift::MEMORY_BEATS
            max_read_burst_length = 64 max_write_burst_length = 64)
    HLS(INTERFACE mode = s_axilite port = memory bundle = s_axi)
    HLS(INTERFACE mode = s_axilite port = program_base bundle = s_axi)
    HLS(INTERFACE mode = s_axilite port = program_limit bundle = s_axi)
    HLS(INTERFACE mode = s_axilite port = program_count bundle = s_axi)
    HLS(INTERFACE mode = s_axilite port = read_base bundle = s_axi)
    HLS(INTERFACE mode = s_axilite port = read_limit bundle = s_axi)
    HLS(INTERFACE mode = s_axilite port = write_base bundle = s_axi)
    HLS(INTERFACE mode = s_axilite port = write_limit bundle = s_axi)
    HLS(INTERFACE mode = s_axilite port = return bundle = s_axi)
    using namespace hwshift;
    static buffer_t buffer;
    HLS(ARRAY_PARTITION variable = buffer dim = 1 complete)
    HLS(ARRAY_PARTITION variable = buffer dim = 2 complete)
    HLS(BIND_STORAGE variable = buffer type = ram_t2p)
    static ring_t ring;
    HLS(AGGREGATE variable = ring)
    static accumulators_t accumulators;
    HLS(ARRAY_PARTITION variable = accumulators dim = 1 complete)
    HLS(ARRAY_PARTITION variable = accumulators dim = 3 complete)
    static residuals_t residuals;
    HLS(ARRAY_PARTITION variable = residuals dim = 1 complete)
    HLS(ARRAY_PARTITION variable = residuals dim = 3 complete)
    static ktiles_t ktiles;
    static lanes_t lanes;
    HLS(ARRAY_PARTITION variable = lanes dim = 2 complete)
    static params_t params;
    HLS(ARRAY_PARTITION variable = params dim = 2 complete)
    static weight_state_t weights;
    static registers_t registers;
    weights = weight_state_t();
    registers = registers_t();
    std::uint64_t address = program_base;
    HLS_LOOP(instructions)
    for (std::uint32_t index = 0; index < program_count; index++) {
        if (!within(address, INSTRUCTION_BYTES, program_base, program_limit))
            return PROGRAM_REGION;
        const instruction_t words = fetch(memory, address);
        address += INSTRUCTION_BYTES;
        status_t status = NONE;
        switch (opcode_of(words)) {
        case OP_HEADER:
            status = check_header(decode_header(words));
            break;
        case OP_LOAD: {
            const load_t op = decode_load(words);
            if (!transfer_within(op, read_base, read_limit))
                return READ_REGION;
            status = load(op, memory, buffer, ktiles, lanes, params, weights);
            break;
        }
        case OP_DESCRIPTOR: {
            const descriptor_t op = decode_descriptor(words);
            registers.sources[int(op.id)] = op;
            break;
        }
        case OP_ACTIVATION:
            registers.bounds = decode_activation(words);
            break;
        case OP_COMPUTE:
            status = compute(decode_compute(words), registers, memory, buffer, ring, weights, ktiles, lanes, params,
                             accumulators, residuals);
            break;
        case OP_STORE: {
            const store_t op = decode_store(words);
            if (!transfer_within(op, write_base, write_limit))
                return WRITE_REGION;
            if (!op.gates)
                store_map(op, buffer, memory);
            else if (HAS_GATES)
                store_gates(op, buffer, memory);
            else
                return BAD_OPCODE;
            break;
        }
        case OP_END:
            return NONE;
        default:
            status = BAD_OPCODE;
        }
        if (status != NONE)
            return status;
    }
    return PROGRAM_END;
}
