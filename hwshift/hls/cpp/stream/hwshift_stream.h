// Streams between processes: hls::stream of the vendor, or a stand-in for plain compilers.
//
// In C simulation the processes run one after the other, each to its end, so the stand-in never blocks. It notes who
// writes and reads what, in order; the testbench then plays these notes with FIFOs of the depths that the hardware
// has, and fails if that comes to a standstill.
#ifndef HWSHIFT_STREAM_H
#define HWSHIFT_STREAM_H

#ifdef HWSHIFT_VENDOR

#include <hls_stream.h>

namespace hwshift {
inline void begin_process(const char *) {}
} // namespace hwshift

#else

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "hwshift_int.h"

namespace hwshift {

// What one run did.
struct notes_t {
    struct stream_t {
        std::string name;
        std::vector<std::int64_t> values; // everything that was written, in order
    };
    struct process_t {
        std::string name;
        std::vector<std::uint32_t> events; // 2 * stream + (1: write, 0: read)
    };
    std::vector<stream_t> streams;
    std::vector<process_t> processes;

    void note(std::size_t stream, bool write) {
        if (!processes.empty()) // the testbench fills the first stream before there is a process
            processes.back().events.push_back(static_cast<std::uint32_t>(2 * stream + write));
    }
};

inline notes_t &notes() {
    static notes_t all;
    return all;
}

// Every process starts with this.
inline void begin_process(const char *name) {
    notes().processes.push_back({name, {}});
}

} // namespace hwshift

namespace hls {

template <class T> class stream {
  public:
    explicit stream(const char *name) : number_(hwshift::notes().streams.size()) {
        hwshift::notes().streams.push_back({name, {}});
    }
    stream(const stream &) = delete;
    stream &operator=(const stream &) = delete;

    T read() {
        hwshift::hw_check(next_ < data_.size(), "a process reads from an empty stream");
        hwshift::notes().note(number_, false);
        return data_[next_++];
    }
    void write(const T &value) {
        hwshift::notes().note(number_, true);
        append_values(value, hwshift::notes().streams[number_].values);
        data_.push_back(value);
    }
    bool empty() const { return next_ == data_.size(); }

  private:
    std::size_t number_;
    std::vector<T> data_;
    std::size_t next_ = 0;
};

} // namespace hls

#endif

#endif
