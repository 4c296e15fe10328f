// The processes of a streaming design. Each is a function of its own in the dataflow region and takes its constants
// from a structure P of design.h. Pipelines are flushable (flp): a process that waits for input still delivers what
// it has begun, which the computed FIFO depths rely on.
#ifndef HWSHIFT_PROCESSES_H
#define HWSHIFT_PROCESSES_H

#include "types.h"

namespace hwshift {

// -- line buffer -------------------------------------------------------------------------------------------------

// Rows of its image that output row `y` and those before it need.
template <class P> int rows_needed(int y) {
    const int last = y * P::STRIDE_Y + P::LAST_DY + 1;
    return last < 0 ? 0 : last > P::HEIGHT ? P::HEIGHT : last;
}

// Rows of the input that are read before output row `y + 1` begins, counted from its image's first row: what that row
// needs, and at least an even share, so that rows flow without a gap from one image into the next.
template <class P> int rows_read(int y, bool more_images) {
    const int share = rows_needed<P>(0) + ((y + 1) * P::HEIGHT + P::OUT_HEIGHT - 1) / P::OUT_HEIGHT;
    const int needed = y < P::OUT_HEIGHT - 1 ? rows_needed<P>(y + 1) : 0;
    const int rows = share > needed ? share : needed;
    return more_images || rows < P::HEIGHT ? rows : P::HEIGHT;
}

// Whether something that happens `times` times in `span` iterations happens in this one: evenly spread.
inline bool its_turn(int &credit, int times, int span) {
    HLS(INLINE)
    credit += times;
    if (credit < span)
        return false;
    credit -= span;
    return true;
}

// For every output pixel, tap by tap, the channels that a layer reads. A tap is a displacement (dy, dx); a spatial
// shift adds one to every channel, which costs an address and no cycle. Each lane is a memory of its own with one
// read and one write per cycle; it holds the rows in use and those that are read meanwhile, across images.
template <class P>
void window(hls::stream<vec_t<P::LANES>> &in, hls::stream<vec_t<P::LANES>> &out, int images) {
    begin_process(P::NAME);
    constexpr int WORDS = P::CHANNELS / P::LANES, ROW_WORDS = P::WIDTH * WORDS;
    act_t lines[P::LANES][P::KEPT_ROWS][ROW_WORDS];
    HLS(ARRAY_PARTITION variable = lines dim = 1 complete)
    int base = 0, kept = 0; // places of row 0 of the image, and of the next row that is read, in the ring of rows
    int y = -1, image = 0;
    int before = 0; // rows read so far, counted from the image's first
    HLS_LOOP(rows)
    while (image < images) {
        const int now = rows_read<P>(y, image + 1 < images), reads = (now - before) * ROW_WORDS;
        const int writes = y < 0 ? 0 : P::OUT_WIDTH * P::TAPS * WORDS, span = reads > writes ? reads : writes;
        int at = 0, x = 0, tap = 0, word = 0, read_credit = 0, write_credit = 0;
        HLS_LOOP(columns)
        for (int i = 0; i < span; i++) {
            HLS(PIPELINE II = 1 style = flp)
            // What is delivered in a row of output has been read in rows before it.
            HLS(DEPENDENCE variable = lines type = inter dependent = false)
            if (its_turn(read_credit, reads, span)) {
                const vec_t<P::LANES> value = in.read();
                for (int lane = 0; lane < P::LANES; lane++) {
                    HLS(UNROLL)
                    lines[lane][kept][at] = value.at[lane];
                }
                if (++at == ROW_WORDS) {
                    at = 0;
                    kept = kept + 1 == P::KEPT_ROWS ? 0 : kept + 1;
                }
            }
            if (its_turn(write_credit, writes, span)) {
                vec_t<P::LANES> value;
                for (int lane = 0; lane < P::LANES; lane++) {
                    HLS(UNROLL)
                    const int channel = word * P::LANES + lane;
                    const int from_y = y * P::STRIDE_Y + P::dy(tap, channel), from_x = x * P::STRIDE_X + P::dx(tap, channel);
                    const bool inside = from_y >= 0 && from_y < P::HEIGHT && from_x >= 0 && from_x < P::WIDTH;
                    const int line = inside ? (base + from_y) % P::KEPT_ROWS : 0, place = inside ? from_x * WORDS + word : 0;
                    value.at[lane] = inside ? lines[lane][line][place] : act_t(P::OUTSIDE);
                }
                out.write(value);
                if (++word == WORDS) {
                    word = 0;
                    if (++tap == P::TAPS) {
                        tap = 0;
                        x++;
                    }
                }
            }
        }
        before = now;
        if (++y == P::OUT_HEIGHT) {
            y = 0;
            before -= P::HEIGHT;
            image++;
            base = (base + P::HEIGHT) % P::KEPT_ROWS;
        }
    }
}

// -- layers ------------------------------------------------------------------------------------------------------

// A convolution's matrix: every pixel's window of TAPS * CHANNELS values times all output channels, OUT_LANES of
// them and LANES values per cycle. The window is kept while the output channels take turns.
template <class P> void matrix(hls::stream<vec_t<P::LANES>> &in, hls::stream<vec_t<P::OUT_LANES>> &out, int images) {
    begin_process(P::NAME);
    constexpr int IN_WORDS = P::TAPS * P::CHANNELS / P::LANES, OUT_WORDS = P::OUT_CHANNELS / P::OUT_LANES;
    vec_t<P::LANES> kept[IN_WORDS];
    acc_t acc[P::OUT_LANES];
    HLS(ARRAY_PARTITION variable = acc complete)
    HLS_LOOP(pixels)
    for (int pixel = 0; pixel < images * P::PIXELS; pixel++) {
        HLS_LOOP(outputs)
        for (int o = 0; o < OUT_WORDS; o++) {
            HLS_LOOP(inputs)
            for (int i = 0; i < IN_WORDS; i++) {
                HLS(PIPELINE II = 1 style = flp)
                if (o == 0)
                    kept[i] = in.read();
                const vec_t<P::LANES> x = kept[i];
                vec_t<P::OUT_LANES> y;
                for (int c = 0; c < P::OUT_LANES; c++) {
                    HLS(UNROLL)
                    acc_t sum = 0; // a tree of its own: only the last addition is in the loop from word to word
                    for (int lane = 0; lane < P::LANES; lane++) {
                        HLS(UNROLL)
                        sum = add_wrap(sum, term(x.at[lane], P::weight((o * IN_WORDS + i) * P::OUT_LANES + c, lane)));
                    }
                    acc[c] = i == 0 ? sum : add_wrap(acc[c], sum);
                    if (i == IN_WORDS - 1)
                        y.at[c] = finish(acc[c], P::param(o * P::OUT_LANES + c), P::LOW, P::HIGH);
                }
                if (i == IN_WORDS - 1)
                    out.write(y);
            }
        }
    }
}

// Layers that keep channels apart: depthwise convolution, average, maximum. One word of LANES channels per cycle.
template <class P> void channelwise(hls::stream<vec_t<P::LANES>> &in, hls::stream<vec_t<P::LANES>> &out, int images) {
    begin_process(P::NAME);
    constexpr int WORDS = P::CHANNELS / P::LANES;
    acc_t acc[WORDS][P::LANES];
    HLS(ARRAY_PARTITION variable = acc dim = 2 complete)
    HLS_LOOP(pixels)
    for (int pixel = 0; pixel < images * P::PIXELS; pixel++) {
        HLS_LOOP(taps)
        for (int tap = 0; tap < P::TAPS; tap++) {
            HLS_LOOP(words)
            for (int word = 0; word < WORDS; word++) {
                HLS(PIPELINE II = 1 style = flp)
                const vec_t<P::LANES> x = in.read();
                vec_t<P::LANES> y;
                for (int lane = 0; lane < P::LANES; lane++) {
                    HLS(UNROLL)
                    const int channel = word * P::LANES + lane;
                    const acc_t added = P::value(x.at[lane], tap, channel), before = acc[word][lane];
                    const acc_t larger = std::int64_t(before) > std::int64_t(added) ? before : added;
                    const acc_t sum = tap == 0 ? added : P::MAXIMUM ? larger : add_wrap(before, added);
                    acc[word][lane] = sum;
                    if (tap == P::TAPS - 1)
                        y.at[lane] = finish(sum, P::param(channel), P::LOW, P::HIGH);
                }
                if (tap == P::TAPS - 1)
                    out.write(y);
            }
        }
    }
}

// Element-wise sum of two maps with a scale of its own.
template <class P>
void sum(hls::stream<vec_t<P::LANES>> &a, hls::stream<vec_t<P::LANES>> &b, hls::stream<vec_t<P::LANES>> &out, int images) {
    begin_process(P::NAME);
    HLS_LOOP(pixels)
    for (int pixel = 0; pixel < images * P::PIXELS; pixel++) {
        HLS_LOOP(words)
        for (int word = 0; word < P::CHANNELS / P::LANES; word++) {
            HLS(PIPELINE II = 1 style = flp)
            const vec_t<P::LANES> left = a.read(), right = b.read();
            vec_t<P::LANES> y;
            for (int lane = 0; lane < P::LANES; lane++) {
                HLS(UNROLL)
                const std::int64_t total = std::int64_t(left.at[lane]) + std::int64_t(right.at[lane]);
                y.at[lane] = finish(acc_t(total * ONE), P::param(word * P::LANES + lane), P::LOW, P::HIGH);
            }
            out.write(y);
        }
    }
}

// The end of a layer with a residual: + residual, saturate, activation.
template <class P>
void residual(hls::stream<vec_t<P::LANES>> &in, hls::stream<vec_t<P::LANES>> &added, hls::stream<vec_t<P::LANES>> &out, int images) {
    begin_process(P::NAME);
    HLS_LOOP(words)
    for (int i = 0; i < images * P::PIXELS * P::CHANNELS / P::LANES; i++) {
        HLS(PIPELINE II = 1 style = flp)
        const vec_t<P::LANES> left = in.read(), right = added.read();
        vec_t<P::LANES> y;
        for (int lane = 0; lane < P::LANES; lane++) {
            HLS(UNROLL)
            y.at[lane] = narrow<act_t>(clip(std::int64_t(left.at[lane]) + std::int64_t(right.at[lane]), P::LOW, P::HIGH));
        }
        out.write(y);
    }
}

// -- plumbing ----------------------------------------------------------------------------------------------------

// One map for two readers.
template <class P>
void fork(hls::stream<vec_t<P::LANES>> &in, hls::stream<vec_t<P::LANES>> &one, hls::stream<vec_t<P::LANES>> &other, int images) {
    begin_process(P::NAME);
    HLS_LOOP(words)
    for (int i = 0; i < images * P::PIXELS * P::CHANNELS / P::LANES; i++) {
        HLS(PIPELINE II = 1 style = flp)
        const vec_t<P::LANES> value = in.read();
        one.write(value);
        other.write(value);
    }
}

// A map in words of another width, which divides the first.
template <class P> void narrower(hls::stream<vec_t<P::LANES>> &in, hls::stream<vec_t<P::OUT_LANES>> &out, int images) {
    begin_process(P::NAME);
    vec_t<P::LANES> held;
    HLS_LOOP(words)
    for (int i = 0; i < images * P::PIXELS * P::CHANNELS / P::LANES; i++) {
        HLS_LOOP(parts)
        for (int part = 0; part < P::LANES / P::OUT_LANES; part++) {
            HLS(PIPELINE II = 1 style = flp)
            if (part == 0)
                held = in.read();
            vec_t<P::OUT_LANES> value;
            for (int lane = 0; lane < P::OUT_LANES; lane++) {
                HLS(UNROLL)
                value.at[lane] = held.at[part * P::OUT_LANES + lane];
            }
            out.write(value);
        }
    }
}

// A map in words of another width, a multiple of the first.
template <class P> void wider(hls::stream<vec_t<P::LANES>> &in, hls::stream<vec_t<P::OUT_LANES>> &out, int images) {
    begin_process(P::NAME);
    constexpr int PARTS = P::OUT_LANES / P::LANES;
    vec_t<P::OUT_LANES> held;
    HLS_LOOP(words)
    for (int i = 0; i < images * P::PIXELS * P::CHANNELS / P::OUT_LANES; i++) {
        HLS_LOOP(parts)
        for (int part = 0; part < PARTS; part++) {
            HLS(PIPELINE II = 1 style = flp)
            const vec_t<P::LANES> value = in.read();
            for (int lane = 0; lane < P::LANES; lane++) {
                HLS(UNROLL)
                held.at[part * P::LANES + lane] = value.at[lane];
            }
            if (part == PARTS - 1)
                out.write(held);
        }
    }
}

} // namespace hwshift

#endif
