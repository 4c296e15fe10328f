// Runs of the accelerator in tb_top, without an interpreter in the simulated cycles.
//
// Reads job.txt in the folder of the plusarg +folder: the number of registers to read after a run and their offsets,
// the offset of IRQ_STATUS, the number of runs, and for each run: read latency, write latency, cycles after which it
// is given up, base of the memory, first and last address that answer with an error; the number of register writes
// and each one's offset and value; the number of operations of the script and each one's code and arguments: 0 write
// (offset, value, strobes), 1 read (offset), 2 cycles (count), 3 until (offset, mask, value), 4 finish. Writes a line
// per run to result.txt: seconds of processor time of the script, cycle of irq, violations of AXI rules and which, whether
// irq rose, the registers, and what the script's writes (response) and reads (response, data) returned.
#include <ctime>
#include <fstream>
#include <iostream>
#include <stdexcept>
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

static constexpr int PATIENCE = 2000;  // cycles that a transfer on the control port may take

template <typename Signal>
static void wait(Signal& signal) {
    for (int cycle = 0; !signal; ++cycle) {
        if (cycle == PATIENCE) throw std::runtime_error("the control port does not answer");
        tick();
    }
}

template <typename Valid, typename Ready>
static void send(Valid& valid, Ready& ready) {
    valid = 1;
    top.eval();
    wait(ready);
    tick();
    valid = 0;
}

template <typename Valid, typename Ready>
static void receive(Valid& valid, Ready& ready) {
    wait(valid);
    ready = 1;
    tick();
    ready = 0;
}

static int fail(const char* message) {
    std::cerr << message << std::endl;
    return 1;
}

static uint32_t write(uint32_t offset, uint32_t value, uint32_t strobes = 15) {
    TB(s_axi_awaddr) = offset;
    TB(s_axi_wdata) = value;
    TB(s_axi_wstrb) = strobes;
    send(TB(s_axi_awvalid), TB(s_axi_awready));
    send(TB(s_axi_wvalid), TB(s_axi_wready));
    wait(TB(s_axi_bvalid));
    const uint32_t response = TB(s_axi_bresp);
    receive(TB(s_axi_bvalid), TB(s_axi_bready));
    return response;
}

static std::pair<uint32_t, uint32_t> read(uint32_t offset) {
    TB(s_axi_araddr) = offset;
    send(TB(s_axi_arvalid), TB(s_axi_arready));
    wait(TB(s_axi_rvalid));
    const std::pair<uint32_t, uint32_t> answer(TB(s_axi_rresp), TB(s_axi_rdata));
    receive(TB(s_axi_rvalid), TB(s_axi_rready));
    return answer;
}

template <typename Signal>
static void pulse(Signal& signal) {
    signal = 1;
    tick();
    signal = 0;
    tick();
}

static void reset() {
    TB(aresetn) = 0;
    for (int cycle = 0; cycle < 8; ++cycle) tick();
    TB(aresetn) = 1;
    tick();
}

// One operation of a script; what it returns goes to `log`.
static void operate(std::istream& job, std::vector<uint32_t>& log) {
    uint32_t code, a = 0, b = 0, c = 0;
    job >> code;
    switch (code) {
        case 0:
            job >> a >> b >> c;
            log.push_back(write(a, b, c));
            break;
        case 1: {
            job >> a;
            const auto answer = read(a);
            log.push_back(answer.first);
            log.push_back(answer.second);
            break;
        }
        case 2:
            for (job >> a; a > 0; --a) tick();
            break;
        case 3:
            job >> a >> b >> c;
            while ((read(a).second & b) != c && !TB(finished)) {}
            break;
        default:
            while (!TB(finished)) tick();
    }
}

static bool run(std::istream& job, std::ostream& result, const std::vector<uint32_t>& offsets, uint32_t irq_status,
                uint32_t image) {
    uint32_t offset, value;
    uint64_t base, first, last;
    size_t count;
    std::vector<uint32_t> log;
    TB(image) = image;
    job >> value;
    TB(read_latency) = value;
    job >> value;
    TB(write_latency) = value;
    job >> value;
    TB(max_cycles) = value;
    job >> base >> first >> last;
    TB(base) = base;
    TB(error_base) = first;
    TB(error_last) = last;
    pulse(TB(load));
    if (TB(failed)) return false;
    for (job >> count; count > 0; --count) {
        job >> offset >> value;
        write(offset, value);
    }
    TB(arm) = 1;
    const std::clock_t start = std::clock();
    for (job >> count; count > 0; --count) operate(job, log);
    const double seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
    const bool irq = TB(irq);
    result << seconds << ' ' << TB(irq_cycle) << ' ' << TB(violations) << ' ' << TB(broken) << ' ' << irq;
    for (uint32_t item : offsets) result << ' ' << read(item).second;
    for (uint32_t item : log) result << ' ' << item;
    result << '\n';
    write(irq_status, 0xFFFFFFFF);
    pulse(TB(dump));
    TB(arm) = 0;
    tick();
    tick();
    if (!irq) reset();
    return job && result && !TB(failed);
}

int main(int argc, char** argv) {
    context.commandArgs(argc, argv);
    const std::string folder = std::string(context.commandArgsPlusMatch("folder=")).substr(8);
    std::ifstream job(folder + "/job.txt");
    std::ofstream result(folder + "/result.txt");
    size_t count;
    uint32_t irq_status;
    job >> count;
    std::vector<uint32_t> offsets(count);
    for (auto& offset : offsets) job >> offset;
    job >> irq_status >> count;
    if (!job) return fail("job.txt cannot be read");
    top.eval();  // initial values
    reset();
    try {
        for (size_t image = 0; image < count; ++image)
            if (!run(job, result, offsets, irq_status, image)) return fail("a run's files cannot be read or written");
    } catch (const std::runtime_error& error) {
        return fail(error.what());
    }
    top.final();
    return 0;
}
