// The accelerator's top function.
#ifndef HWSHIFT_ENGINE_H
#define HWSHIFT_ENGINE_H

#include "types.h"

// Run a program.
//
// memory          the accelerator's address space, one bus beat per element: what the RTL sees behind m_axi
// program_base .. the RTL's registers of the same names; limits are addresses of last bytes
// returns         0, or the RTL's error code
unsigned hwshift_engine(hwshift::beat_t *memory, std::uint64_t program_base, std::uint64_t program_limit,
                        std::uint32_t program_count, std::uint64_t read_base, std::uint64_t read_limit,
                        std::uint64_t write_base, std::uint64_t write_limit);

#endif
