#include "archive/compress.hpp"

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <new>
#include <utility>

#include "archive/decoder.hpp"
#include "archive/window.hpp"

namespace longshore {
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;

void must(bool done) {
    // With sound parameters these libraries fail for want of memory only.
    if (!done) {
        throw std::bad_alloc();
    }
}

int level_of(int level, int default_level, int highest) {
    return level == kDefaultLevel ? default_level
                                  : std::clamp(level, 1, highest);
}

}  // namespace

class Compressor::Codec {
public:
    Codec() = default;
    Codec(const Codec&) = delete;
    Codec& operator=(const Codec&) = delete;
    virtual ~Codec() = default;

    virtual void begin() = 0;

    /// True when all of the input is taken and, with `last`, all is written.
    virtual bool step(Window& window, bool last) = 0;

    bool begun = false;
};

namespace {

class Gzip final : public Compressor::Codec {
public:
    explicit Gzip(int level) {
        must(::deflateInit2(&stream_, level_of(level, 6, 9), Z_DEFLATED,
                            15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    }
    ~Gzip() override { ::deflateEnd(&stream_); }

    void begin() override { must(::deflateReset(&stream_) == Z_OK); }

    bool step(Window& window, bool last) override {
        stream_.next_in =
            reinterpret_cast<Bytef*>(const_cast<char*>(window.in));
        stream_.avail_in = static_cast<uInt>(window.in_left);
        stream_.next_out = reinterpret_cast<Bytef*>(window.out);
        stream_.avail_out = static_cast<uInt>(window.out_left);
        int answer = ::deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
        window.advance(stream_.avail_in, stream_.avail_out);
        return last ? answer == Z_STREAM_END : window.in_left == 0;
    }

private:
    z_stream stream_{};
};

class Bzip final : public Compressor::Codec {
public:
    explicit Bzip(int level) : level_(level_of(level, 9, 9)) {}
    ~Bzip() override { end(); }

    void begin() override {
        end();
        stream_ = {};
        must(::BZ2_bzCompressInit(&stream_, level_, 0, 0) == BZ_OK);
        open_ = true;
    }

    bool step(Window& window, bool last) override {
        if (window.in_left == 0 && !last) {
            return true;
        }
        stream_.next_in = const_cast<char*>(window.in);
        stream_.avail_in = static_cast<unsigned>(window.in_left);
        stream_.next_out = window.out;
        stream_.avail_out = static_cast<unsigned>(window.out_left);
        int answer = ::BZ2_bzCompress(&stream_, last ? BZ_FINISH : BZ_RUN);
        window.advance(stream_.avail_in, stream_.avail_out);
        return last ? answer == BZ_STREAM_END : window.in_left == 0;
    }

private:
    void end() {
        if (open_) {
            ::BZ2_bzCompressEnd(&stream_);
            open_ = false;
        }
    }

    bz_stream stream_{};
    int level_;
    bool open_ = false;
};

class Xz final : public Compressor::Codec {
public:
    explicit Xz(int level)
        : preset_(static_cast<std::uint32_t>(level_of(level, 3, 6))) {}
    ~Xz() override { ::lzma_end(&stream_); }

    void begin() override {
        must(::lzma_easy_encoder(&stream_, preset_, LZMA_CHECK_CRC64) ==
             LZMA_OK);
    }

    bool step(Window& window, bool last) override {
        stream_.next_in = reinterpret_cast<const std::uint8_t*>(window.in);
        stream_.avail_in = window.in_left;
        stream_.next_out = reinterpret_cast<std::uint8_t*>(window.out);
        stream_.avail_out = window.out_left;
        auto answer = ::lzma_code(&stream_, last ? LZMA_FINISH : LZMA_RUN);
        must(answer != LZMA_MEM_ERROR);
        window.advance(stream_.avail_in, stream_.avail_out);
        return last ? answer == LZMA_STREAM_END : window.in_left == 0;
    }

private:
    lzma_stream stream_ = LZMA_STREAM_INIT;
    std::uint32_t preset_;
};

class Zstd final : public Compressor::Codec {
public:
    explicit Zstd(int level) : context_(::ZSTD_createCCtx()) {
        must(context_ != nullptr);
        ::ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel,
                                 level_of(level, 9, 19));
        ::ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
    }
    ~Zstd() override { ::ZSTD_freeCCtx(context_); }

    void begin() override {
        ::ZSTD_CCtx_reset(context_, ZSTD_reset_session_only);
    }

    bool step(Window& window, bool last) override {
        ZSTD_inBuffer in{window.in, window.in_left, 0};
        ZSTD_outBuffer out{window.out, window.out_left, 0};
        auto answer = ::ZSTD_compressStream2(
            context_, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        must(::ZSTD_isError(answer) == 0);
        window.advance(in.size - in.pos, out.size - out.pos);
        return last ? answer == 0 : window.in_left == 0;
    }

private:
    ZSTD_CCtx* context_;
};

std::unique_ptr<Compressor::Codec> make_codec(Encoding encoding, int level) {
    switch (encoding) {
        case Encoding::bzip2:
            return std::make_unique<Bzip>(level);
        case Encoding::xz:
            return std::make_unique<Xz>(level);
        case Encoding::zstd:
            return std::make_unique<Zstd>(level);
        case Encoding::gzip:
            break;
    }
    return std::make_unique<Gzip>(level);
}

Kind kind_of(Encoding encoding) {
    switch (encoding) {
        case Encoding::bzip2:
            return Kind::bzip2;
        case Encoding::xz:
            return Kind::xz;
        case Encoding::zstd:
            return Kind::zstd;
        case Encoding::gzip:
            break;
    }
    return Kind::gzip;
}

}  // namespace

Compressor::Compressor(Encoding encoding, ByteSink sink, int level)
    : codec_(make_codec(encoding, level)),
      sink_(std::move(sink)),
      buffer_(kBufferBytes) {}
Compressor::~Compressor() = default;
Compressor::Compressor(Compressor&& other) noexcept = default;
Compressor& Compressor::operator=(Compressor&& other) noexcept = default;

Result<void> Compressor::run(std::string_view bytes, bool last) {
    if (!codec_->begun) {
        codec_->begin();
        codec_->begun = true;
    }
    for (bool done = false; !done;) {
        Window window{bytes.data(), bytes.size(), buffer_.data(),
                      buffer_.size()};
        done = codec_->step(window, last);
        bytes.remove_prefix(bytes.size() - window.in_left);
        auto size = buffer_.size() - window.out_left;
        if (size > 0) {
            LS_CHECK(sink_(std::string_view(buffer_.data(), size)));
        }
    }
    return {};
}

Result<void> Compressor::update(std::string_view bytes) {
    // In steps that fit the libraries' 32-bit sizes.
    for (std::size_t done = 0; done < bytes.size(); done += kBufferBytes) {
        LS_CHECK(run(bytes.substr(done, kBufferBytes), false));
    }
    return {};
}

Result<void> Compressor::finish() {
    LS_CHECK(run({}, true));
    codec_->begun = false;
    return {};
}

std::string compress(Encoding encoding, std::string_view bytes, int level) {
    std::string out;
    Compressor compressor(
        encoding,
        [&out](std::string_view piece) -> Result<void> {
            out += piece;
            return {};
        },
        level);
    // The sink above never fails.
    static_cast<void>(compressor.update(bytes));
    static_cast<void>(compressor.finish());
    return out;
}

Result<std::string> decompress(Encoding encoding, std::string_view bytes,
                               std::uint64_t max_bytes) {
    MemorySource source(bytes);
    Decoder decoder(std::make_unique<SourceStream>(source, nullptr),
                    kind_of(encoding), ArchiveLimits{}.max_decoder_bytes,
                    nullptr);
    std::string out;
    std::vector<char> piece(kBufferBytes);
    for (;;) {
        LS_TRY(size, decoder.read(piece));
        if (size == 0) {
            return out;
        }
        if (size > max_bytes - out.size()) {
            return Error{Code::too_large, "decompresses to more than " +
                                              std::to_string(max_bytes) +
                                              " bytes"};
        }
        out.append(piece.data(), size);
    }
}

namespace {

Result<void> pump(Decoder& decoder, const ByteSink& sink) {
    std::vector<char> piece(kBufferBytes);
    for (;;) {
        LS_TRY(size, decoder.read(piece));
        if (size == 0) {
            return {};
        }
        LS_CHECK(sink(std::string_view(piece.data(), size)));
    }
}

}  // namespace

Result<void> decompress(Encoding encoding, const ByteSource& source,
                        const ArchiveLimits& limits, const ByteSink& sink) {
    ArchiveBudget budget(limits, source.size());
    ArchiveBudget::Running running(budget);
    Decoder decoder(std::make_unique<SourceStream>(source, &budget),
                    kind_of(encoding), limits.max_decoder_bytes, &budget);
    return pump(decoder, sink);
}

Result<std::vector<std::uint64_t>> gzip_members(const ByteSource& source,
                                                const ArchiveLimits& limits) {
    ArchiveBudget budget(limits, source.size());
    ArchiveBudget::Running running(budget);
    Decoder decoder(std::make_unique<SourceStream>(source, &budget), Kind::gzip,
                    limits.max_decoder_bytes, &budget);
    std::vector<std::uint64_t> ends;
    // One more than are allowed, so that too many can be told.
    decoder.on_member([&](std::uint64_t end) {
        if (ends.size() <= limits.max_entries) {
            ends.push_back(end);
        }
    });
    LS_CHECK(pump(decoder, [](std::string_view) { return Result<void>(); }));
    if (ends.size() > limits.max_entries) {
        return Error{Code::too_large, "gzip data has more members than " +
                                          std::to_string(limits.max_entries)};
    }
    return ends;
}

}  // namespace longshore
