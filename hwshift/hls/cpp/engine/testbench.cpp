// Runs the program on every image and compares every byte of memory with the golden model's results.
//
//     testbench VECTORS [RESULTS]
//
// VECTORS holds job.txt, memory.bin, input_N.bin and expected_N.bin; with RESULTS the memory after run N goes to the
// file RESULTS/memory_N.bin. The exit status is 0 only if every byte agrees.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "engine.h"

namespace {

typedef std::vector<unsigned char> bytes_t;

[[noreturn]] void give_up(const std::string &text) {
    std::fprintf(stderr, "testbench: %s\n", text.c_str());
    std::exit(2);
}

bytes_t read_file(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        give_up("cannot read " + path);
    return bytes_t(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

void write_file(const std::string &path, const bytes_t &data) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char *>(data.data()), std::streamsize(data.size()));
    if (!file)
        give_up("cannot write " + path);
}

// A map in memory, [height][width][slots][lanes].
struct map_t {
    std::string layer;
    std::size_t address, height, width, slots, lanes, bytes;
    std::size_t size() const { return height * width * slots * lanes * bytes; }
};

struct job_t {
    hwshift::launch_t launch;
    std::size_t images, input_address;
    std::vector<map_t> maps;
};

// Lines of a name and numbers; a map's name comes last on its line.
job_t read_job(const std::string &path) {
    std::ifstream file(path);
    if (!file)
        give_up("cannot read " + path);
    job_t job = {};
    std::string line, word;
    while (std::getline(file, line)) {
        std::istringstream in(line);
        in >> word;
        if (word == "launch") {
            hwshift::launch_t &l = job.launch;
            in >> l.program_base >> l.program_limit >> l.program_count >> l.read_base >> l.read_limit >> l.write_base >> l.write_limit;
        } else if (word == "images") {
            in >> job.images >> job.input_address;
        } else if (word == "map") {
            map_t map;
            in >> map.address >> map.height >> map.width >> map.slots >> map.lanes >> map.bytes;
            std::getline(in >> std::ws, map.layer);
            job.maps.push_back(map);
        } else {
            give_up(path + ": unknown line '" + line + "'");
        }
        if (in.bad() || (in.fail() && word != "map"))
            give_up(path + ": malformed line '" + line + "'");
    }
    return job;
}

std::vector<hwshift::beat_t> to_beats(const bytes_t &memory) {
    std::vector<hwshift::beat_t> beats(memory.size() / hwshift::BEAT_BYTES);
    for (std::size_t i = 0; i < beats.size(); i++)
        for (int byte = 0; byte < hwshift::BEAT_BYTES; byte++)
            hwshift::set_bits<8>(beats[i], 8 * byte, memory[i * hwshift::BEAT_BYTES + std::size_t(byte)]);
    return beats;
}

bytes_t to_bytes(const std::vector<hwshift::beat_t> &beats) {
    bytes_t memory(beats.size() * hwshift::BEAT_BYTES);
    for (std::size_t i = 0; i < beats.size(); i++)
        for (int byte = 0; byte < hwshift::BEAT_BYTES; byte++)
            memory[i * hwshift::BEAT_BYTES + std::size_t(byte)] =
                static_cast<unsigned char>(hwshift::get_bits<8>(beats[i], 8 * byte));
    return memory;
}

std::string place_of(const job_t &job, std::size_t address) {
    char text[256];
    for (const map_t &map : job.maps) {
        if (address < map.address || address >= map.address + map.size())
            continue;
        const std::size_t word = (address - map.address) / map.bytes, lane = word % map.lanes;
        const std::size_t slot = word / map.lanes % map.slots, pixel = word / map.lanes / map.slots;
        std::snprintf(text, sizeof text, "', pixel (y=%zu, x=%zu), slot %zu, bank %zu", pixel / map.width,
                      pixel % map.width, slot, lane);
        return "layer '" + map.layer + text;
    }
    std::snprintf(text, sizeof text, "address 0x%zx, in no map", address);
    return text;
}

// Number of bytes that differ; the first is named.
std::size_t compare(const job_t &job, std::size_t image, const bytes_t &expected, const bytes_t &actual) {
    std::size_t differing = 0;
    for (std::size_t i = 0; i < actual.size(); i++) {
        if (actual[i] == expected[i])
            continue;
        if (differing++ == 0)
            std::printf("image %zu: %s: byte 0x%zx: expected 0x%02x, got 0x%02x\n", image, place_of(job, i).c_str(), i,
                        unsigned(expected[i]), unsigned(actual[i]));
    }
    return differing;
}

} // namespace

int main(int argc, char **argv) {
    const std::string folder = argc > 1 ? argv[1] : "vectors";
    const job_t job = read_job(folder + "/job.txt");
    const bytes_t before = read_file(folder + "/memory.bin");
    std::size_t differing = 0;
    for (std::size_t image = 0; image < job.images; image++) {
        const std::string number = std::to_string(image) + ".bin";
        const bytes_t input = read_file(folder + "/input_" + number);
        const bytes_t expected = read_file(folder + "/expected_" + number);
        if (expected.size() != before.size() || job.input_address + input.size() > before.size())
            give_up("the vectors do not fit the memory");
        bytes_t memory = before;
        for (std::size_t i = 0; i < input.size(); i++)
            memory[job.input_address + i] = input[i];
        std::vector<hwshift::beat_t> beats = to_beats(memory);
        const hwshift::launch_t &l = job.launch;
        const unsigned status = hwshift_engine(beats.data(), l.program_base, l.program_limit, l.program_count,
                                               l.read_base, l.read_limit, l.write_base, l.write_limit);
        memory = to_bytes(beats);
        if (status != 0) {
            std::printf("image %zu: the run ended with error %u (%s)\n", image, status, hwshift::status_name(status));
            return 1;
        }
        if (argc > 2)
            write_file(std::string(argv[2]) + "/memory_" + number, memory);
        differing += compare(job, image, expected, memory);
    }
    std::printf("%s: %zu images, %zu bytes each, %zu differ\n", differing == 0 ? "PASS" : "FAIL", job.images,
                before.size(), differing);
    return differing == 0 ? 0 : 1;
}
