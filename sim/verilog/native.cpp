// One run of the accelerator in tb_top, without an interpreter in the simulated cycles.
//
// Reads job.txt in the folder of the plusarg +folder: read latency, write latency, cycles after which the run is
// given up; the number of register writes and each one's offset and value, the last of which starts the run; the
// number of registers to read and their offsets. Writes result.txt: seconds from the start to irq, cycle of irq,
// violations of AXI rules, whether irq rose, and the registers.
#include <chrono>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "Vtb_top.h"
#include "Vtb_top___024root.h"
#include "verilated.h"

#define TB(name) root.tb_top__DOT__##name

static VerilatedContext context;
static Vtb_top top{&context};
static Vtb_top___024root& root = *top.rootp;

// One cycle; inputs are set and outputs read while aclk is 0.
static void tick() {
    TB(aclk) = 1;
    top.eval();
    TB(aclk) = 0;
    top.eval();
}

template <typename Valid, typename Ready>
static void send(Valid& valid, Ready& ready) {
    valid = 1;
    top.eval();
    while (!ready) tick();
    tick();
    valid = 0;
}

template <typename Valid, typename Ready>
static void receive(Valid& valid, Ready& ready) {
    while (!valid) tick();
    ready = 1;
    tick();
    ready = 0;
}

static void write(uint32_t offset, uint32_t value) {
    TB(s_axi_awaddr) = offset;
    TB(s_axi_wdata) = value;
    send(TB(s_axi_awvalid), TB(s_axi_awready));
    send(TB(s_axi_wvalid), TB(s_axi_wready));
    receive(TB(s_axi_bvalid), TB(s_axi_bready));
}

static uint32_t read(uint32_t offset) {
    TB(s_axi_araddr) = offset;
    send(TB(s_axi_arvalid), TB(s_axi_arready));
    while (!TB(s_axi_rvalid)) tick();
    const uint32_t value = TB(s_axi_rdata);
    receive(TB(s_axi_rvalid), TB(s_axi_rready));
    return value;
}

template <typename Signal>
static void pulse(Signal& signal) {
    signal = 1;
    tick();
    signal = 0;
    tick();
}

static int fail(const char* message) {
    std::cerr << message << std::endl;
    return 1;
}

int main(int argc, char** argv) {
    context.commandArgs(argc, argv);
    const std::string folder = std::string(context.commandArgsPlusMatch("folder=")).substr(8);
    std::ifstream job(folder + "/job.txt");
    uint32_t read_latency, write_latency, max_cycles;
    size_t writes, reads;
    job >> read_latency >> write_latency >> max_cycles >> writes;
    std::vector<std::pair<uint32_t, uint32_t>> written(writes);
    for (auto& item : written) job >> item.first >> item.second;
    job >> reads;
    std::vector<uint32_t> offsets(reads);
    for (auto& offset : offsets) job >> offset;
    if (!job || written.empty()) return fail("job.txt cannot be read");

    top.eval();  // initial values
    TB(read_latency) = read_latency;
    TB(write_latency) = write_latency;
    TB(max_cycles) = max_cycles;
    TB(aresetn) = 0;
    for (int cycle = 0; cycle < 8; ++cycle) tick();
    TB(aresetn) = 1;
    tick();
    pulse(TB(load));
    if (TB(failed)) return fail("memory_0.bin cannot be loaded");
    for (size_t index = 0; index + 1 < writes; ++index) write(written[index].first, written[index].second);
    TB(arm) = 1;
    const auto start = std::chrono::steady_clock::now();
    write(written.back().first, written.back().second);
    while (!TB(finished)) tick();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;

    std::ofstream result(folder + "/result.txt");
    result << seconds.count() << '\n' << TB(irq_cycle) << '\n' << TB(violations) << '\n' << int(TB(irq)) << '\n';
    for (uint32_t offset : offsets) result << read(offset) << '\n';
    pulse(TB(dump));
    top.final();
    if (TB(failed)) return fail("result_0.bin cannot be written");
    return result ? 0 : fail("result.txt cannot be written");
}
