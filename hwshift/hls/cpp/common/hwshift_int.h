// Integers of a given width: thin stand-ins for plain compilers, ap_int under the vendor's compiler.
//
//   sint<W>, uintw<W>   signed and unsigned, W <= 64; a value that is assigned is cut to W bits, as in hardware
//   bits<W>             a raw word of any width, such as a bus beat; read and written in pieces of up to 64 bits
//   narrow<T>(v)        a conversion that loses nothing: asserted in C simulation, plain wires in hardware
//   add_wrap(a, b)      a sum modulo 2^W
//
// Arithmetic is done in int64_t. The declared widths of the operands say how wide an operator really is: the
// vendor's compiler trims the rest. Right shifts of negative values are arithmetic; left shifts of values that may
// be negative are written as products with a power of two, which are wires.
#ifndef HWSHIFT_INT_H
#define HWSHIFT_INT_H

#include <cstdint>

// HLS(...) is the vendor's `#pragma HLS ...` and HLS_LOOP(name) a loop's label; plain compilers see neither.
#ifdef HWSHIFT_VENDOR
#include <ap_int.h>
#define HLS_TEXT(...) _Pragma(#__VA_ARGS__)
#define HLS(...) HLS_TEXT(HLS __VA_ARGS__)
#define HLS_LOOP(name) name:
#else
#include <cstdio>
#include <cstdlib>
#define HLS(...)
#define HLS_LOOP(name)
#endif

namespace hwshift {

#ifdef HWSHIFT_VENDOR

template <int W> using sint = ap_int<W>;
template <int W> using uintw = ap_uint<W>;
template <int W> using bits = ap_uint<W>;

inline void hw_check(bool, const char *) {}

template <class T, class V> T narrow(const V &value) {
    return T(value);
}

template <int W> ap_int<W> add_wrap(const ap_int<W> &a, const ap_int<W> &b) {
    return ap_int<W>(a + b);
}

// N bits from bit `low` on.
template <int N, int W> std::uint64_t get_bits(const ap_uint<W> &word, int low) {
    const ap_uint<N> piece = word.range(low + N - 1, low);
    return piece.to_uint64();
}

template <int N, int W> void set_bits(ap_uint<W> &word, int low, std::uint64_t value) {
    word.range(low + N - 1, low) = ap_uint<N>(value);
}

template <int W> void drop_bits(ap_uint<W> &word, int count) {
    word >>= count;
}

#else

// What the compiler of programs guarantees is asserted in C simulation.
inline void hw_check(bool holds, const char *what) {
    if (!holds) {
        std::fprintf(stderr, "hwshift: C simulation: %s\n", what);
        std::abort();
    }
}

template <int W> class sint {
    static_assert(W >= 1 && W <= 64, "a signed integer has 1 to 64 bits");

  public:
    static constexpr int width = W;
    constexpr sint() = default;
    template <class T> constexpr sint(const T &value) : value_(cut(static_cast<std::int64_t>(value))) {}
    constexpr operator std::int64_t() const { return value_; }

  private:
    static constexpr std::int64_t cut(std::int64_t value) {
        if (W == 64)
            return value;
        const std::uint64_t sign = std::uint64_t(1) << (W - 1);
        const std::uint64_t low = static_cast<std::uint64_t>(value) & (2 * sign - 1);
        return static_cast<std::int64_t>((low ^ sign) - sign);
    }
    std::int64_t value_ = 0;
};

template <int W> class uintw {
    static_assert(W >= 1 && W <= 64, "an unsigned integer has 1 to 64 bits");

  public:
    static constexpr int width = W;
    constexpr uintw() = default;
    template <class T> constexpr uintw(const T &value) : value_(cut(static_cast<std::uint64_t>(value))) {}
    constexpr operator std::uint64_t() const { return value_; }

  private:
    static constexpr std::uint64_t cut(std::uint64_t value) {
        return W == 64 ? value : value & ((std::uint64_t(2) << (W - 1)) - 1);
    }
    std::uint64_t value_ = 0;
};

template <class T, class V> T narrow(const V &value) {
    const T result(value);
    hw_check(static_cast<std::int64_t>(result) == static_cast<std::int64_t>(value), "a value exceeds its declared width");
    return result;
}

template <int W> sint<W> add_wrap(const sint<W> &a, const sint<W> &b) {
    const std::uint64_t sum = static_cast<std::uint64_t>(static_cast<std::int64_t>(a)) +
                              static_cast<std::uint64_t>(static_cast<std::int64_t>(b));
    return sint<W>(static_cast<std::int64_t>(sum));
}

template <int W> struct bits {
    static constexpr int words = (W + 31) / 32;
    std::uint32_t word[words] = {};
};

template <int N, int W> std::uint64_t get_bits(const bits<W> &source, int low) {
    static_assert(N >= 1 && N <= 64, "pieces have 1 to 64 bits");
    std::uint64_t value = 0;
    for (int done = 0; done < N;) {
        const int at = low + done, shift = at % 32;
        value |= std::uint64_t(source.word[at / 32] >> shift) << done;
        done += 32 - shift;
    }
    return N == 64 ? value : value & ((std::uint64_t(2) << (N - 1)) - 1);
}

template <int N, int W> void set_bits(bits<W> &target, int low, std::uint64_t value) {
    static_assert(N >= 1 && N <= 64, "pieces have 1 to 64 bits");
    for (int done = 0; done < N;) {
        const int at = low + done, shift = at % 32, room = 32 - shift;
        const int count = N - done < room ? N - done : room;
        const std::uint32_t mask = (count == 32 ? ~std::uint32_t(0) : (std::uint32_t(1) << count) - 1) << shift;
        const std::uint32_t piece = static_cast<std::uint32_t>(value >> done) << shift;
        target.word[at / 32] = (target.word[at / 32] & ~mask) | (piece & mask);
        done += count;
    }
}

// Move everything down by `count` bits.
template <int W> void drop_bits(bits<W> &target, int count) {
    const int whole = count / 32, part = count % 32;
    for (int i = 0; i < bits<W>::words; i++) {
        const std::uint32_t low = i + whole < bits<W>::words ? target.word[i + whole] : 0;
        const std::uint32_t high = i + whole + 1 < bits<W>::words ? target.word[i + whole + 1] : 0;
        target.word[i] = part == 0 ? low : (low >> part) | (high << (32 - part));
    }
}

#endif

// One word into another, 32 bits at a time: `low` and N are multiples of 32.
template <int N, int W> void set_word(bits<W> &target, int low, const bits<N> &source) {
    for (int i = 0; i < N / 32; i++) {
        HLS(UNROLL)
        set_bits<32>(target, low + 32 * i, get_bits<32>(source, 32 * i));
    }
}

} // namespace hwshift

#endif
