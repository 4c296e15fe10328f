// Runs the design on every image, compares every value of every layer with the golden model's, and plays the run
// again with FIFOs of the depths that the hardware has.
//
//     testbench VECTORS [RESULTS]
//
// VECTORS holds job.txt, input_N.bin and expected_N.bin (32-bit integers, [height][width][channels], layer after
// layer); with RESULTS what the design computed goes to the file RESULTS/layers_N.bin in the same form. The exit
// status is 0 only if everything agrees and nothing comes to a standstill. Under the vendor's compiler only the last
// layer, the output, can be seen.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "design.h"

namespace {

typedef std::vector<std::int64_t> values_t;

[[noreturn]] void give_up(const std::string &text) {
    std::fprintf(stderr, "testbench: %s\n", text.c_str());
    std::exit(2);
}

values_t read_values(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        give_up("cannot read " + path);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    values_t values(bytes.size() / 4);
    for (std::size_t i = 0; i < values.size(); i++) {
        std::uint32_t word = 0;
        for (int byte = 3; byte >= 0; byte--)
            word = word << 8 | static_cast<unsigned char>(bytes[4 * i + std::size_t(byte)]);
        values[i] = static_cast<std::int32_t>(word);
    }
    return values;
}

void write_values(const std::string &path, const values_t &values) {
    std::ofstream file(path, std::ios::binary);
    for (const std::int64_t value : values)
        for (int byte = 0; byte < 4; byte++)
            file.put(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * byte) & 255));
    if (!file)
        give_up("cannot write " + path);
}

// A layer's map and the stream that carries it.
struct layer_t {
    std::string name, stream;
    std::size_t height, width, channels;
    std::size_t size() const { return height * width * channels; }
};

struct job_t {
    std::size_t images = 0;
    std::vector<layer_t> layers;
};

job_t read_job(const std::string &path) {
    std::ifstream file(path);
    if (!file)
        give_up("cannot read " + path);
    job_t job;
    std::string line, word;
    while (std::getline(file, line)) {
        std::istringstream in(line);
        in >> word;
        if (word == "images") {
            in >> job.images;
        } else if (word == "layer") {
            layer_t layer;
            in >> layer.stream >> layer.height >> layer.width >> layer.channels;
            std::getline(in >> std::ws, layer.name);
            job.layers.push_back(layer);
        } else {
            give_up(path + ": unknown line '" + line + "'");
        }
    }
    return job;
}

#ifdef HWSHIFT_VENDOR

values_t outputs;

bool seen(const job_t &job, const layer_t &layer) {
    return layer.stream == job.layers.back().stream;
}

const values_t &values_of(const std::string &) {
    return outputs;
}

bool play(std::size_t) {
    return true;
}

#else

bool seen(const job_t &, const layer_t &) {
    return true;
}

const values_t &values_of(const std::string &stream) {
    for (const hwshift::notes_t::stream_t &item : hwshift::notes().streams)
        if (item.name == stream)
            return item.values;
    give_up("no stream is called " + stream);
}

// What the processes did, with FIFOs of limited depth: true if all of them come to their end.
bool play(std::size_t images) {
    const hwshift::notes_t &run = hwshift::notes();
    std::vector<std::size_t> room, held(run.streams.size(), 0), next(run.processes.size(), 0);
    for (const hwshift::notes_t::stream_t &stream : run.streams) {
        std::size_t depth = 0;
        for (const hwshift::fifo_t &fifo : hwshift::FIFOS)
            if (stream.name == fifo.name)
                depth = std::size_t(fifo.depth);
        room.push_back(depth);
    }
    room[0] *= images; // the input is there, and the output is taken
    room[1] *= images;
    held[0] = room[0];
    bool moved = true, done = false;
    while (moved && !done) {
        moved = false;
        done = true;
        for (std::size_t p = 0; p < run.processes.size(); p++) {
            const std::vector<std::uint32_t> &events = run.processes[p].events;
            for (; next[p] < events.size(); next[p]++) {
                const std::uint32_t stream = events[next[p]] / 2;
                const bool write = events[next[p]] % 2 != 0;
                if (write ? held[stream] == room[stream] : held[stream] == 0)
                    break;
                held[stream] += write ? 1 : std::size_t(-1);
                moved = true;
            }
            done = done && next[p] == events.size();
        }
    }
    for (std::size_t p = 0; p < run.processes.size() && !done; p++) {
        const std::vector<std::uint32_t> &events = run.processes[p].events;
        if (next[p] < events.size() && events[next[p]] % 2 != 0) {
            const hwshift::notes_t::stream_t &stream = run.streams[events[next[p]] / 2];
            std::printf("standstill: process %s waits for room in the FIFO %s of %zu words\n",
                        run.processes[p].name.c_str(), stream.name.c_str(), room[events[next[p]] / 2]);
        }
    }
    return done;
}

#endif

// Number of values that differ; the first of each layer is named.
std::size_t compare(std::size_t image, const layer_t &layer, const std::int64_t *expected, const std::int64_t *actual) {
    std::size_t differing = 0;
    for (std::size_t i = 0; i < layer.size(); i++) {
        if (actual[i] == expected[i])
            continue;
        if (differing++ == 0) {
            const std::size_t channel = i % layer.channels, pixel = i / layer.channels;
            std::printf("image %zu: layer '%s', channel %zu, pixel (y=%zu, x=%zu): expected %lld, got %lld\n", image,
                        layer.name.c_str(), channel, pixel / layer.width, pixel % layer.width,
                        static_cast<long long>(expected[i]), static_cast<long long>(actual[i]));
        }
    }
    return differing;
}

// All images in one run: they follow each other without a gap.
void run(const std::vector<values_t> &images) {
    hls::stream<hwshift::input_word_t> in("in");
    hls::stream<hwshift::output_word_t> out("out");
    constexpr std::size_t LANES = hwshift::INPUT_LANES;
    for (const values_t &image : images) {
        for (std::size_t i = 0; i < image.size(); i += LANES) {
            hwshift::input_word_t word;
            for (std::size_t lane = 0; lane < LANES; lane++)
                word.at[lane] = hwshift::narrow<hwshift::act_t>(image[i + lane]);
            in.write(word);
        }
    }
    hwshift_stream(in, out, int(images.size()));
#ifdef HWSHIFT_VENDOR
    while (!out.empty()) {
        const hwshift::output_word_t word = out.read();
        for (int lane = 0; lane < hwshift::OUTPUT_LANES; lane++)
            outputs.push_back(std::int64_t(word.at[lane]));
    }
#endif
}

} // namespace

int main(int argc, char **argv) {
    const std::string folder = argc > 1 ? argv[1] : "vectors";
    const job_t job = read_job(folder + "/job.txt");
    std::vector<values_t> inputs;
    for (std::size_t image = 0; image < job.images; image++) {
        inputs.push_back(read_values(folder + "/input_" + std::to_string(image) + ".bin"));
        if (inputs.back().size() != std::size_t(hwshift::FIFOS[0].depth) * hwshift::INPUT_LANES)
            give_up("input " + std::to_string(image) + " has another size than the design's");
    }
    run(inputs);
    std::size_t differing = 0, compared = 0;
    for (std::size_t image = 0; image < job.images; image++) {
        const std::string number = std::to_string(image) + ".bin";
        const values_t expected = read_values(folder + "/expected_" + number);
        values_t all;
        std::size_t first = 0;
        for (const layer_t &layer : job.layers) {
            if (first + layer.size() > expected.size())
                give_up("the vectors end before layer '" + layer.name + "'");
            if (seen(job, layer)) {
                const values_t &actual = values_of(layer.stream);
                if (actual.size() != job.images * layer.size())
                    give_up("layer '" + layer.name + "' has another size than the vectors");
                const auto from = actual.begin() + std::ptrdiff_t(image * layer.size());
                all.insert(all.end(), from, from + std::ptrdiff_t(layer.size()));
                differing += compare(image, layer, expected.data() + first, all.data() + (all.size() - layer.size()));
            }
            first += layer.size();
        }
        compared += all.size();
        if (argc > 2)
            write_values(std::string(argv[2]) + "/layers_" + number, all);
    }
    const bool flows = play(job.images), passed = differing == 0 && flows;
    std::printf("%s: %zu images, %zu values, %zu differ, %s\n", passed ? "PASS" : "FAIL", job.images, compared,
                differing, flows ? "no standstill" : "a standstill");
    return passed ? 0 : 1;
}
