#include "archive/decoder.hpp"

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <utility>

#include "archive/window.hpp"

namespace longshore {
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;

enum class Step { more, member_ended, broken, memory };

}  // namespace

class Decoder::Codec {
public:
    Codec() = default;
    Codec(const Codec&) = delete;
    Codec& operator=(const Codec&) = delete;
    virtual ~Codec() = default;

    /// Gets ready for a member; false if that takes too much memory.
    virtual bool begin() = 0;
    virtual Step step(Window& window) = 0;
};

namespace {

class Gunzip final : public Decoder::Codec {
public:
    Gunzip() {
        if (::inflateInit2(&stream_, 15 + 16) != Z_OK) {
            throw std::bad_alloc();
        }
    }
    ~Gunzip() override { ::inflateEnd(&stream_); }

    bool begin() override { return ::inflateReset(&stream_) == Z_OK; }

    Step step(Window& window) override {
        stream_.next_in =
            reinterpret_cast<Bytef*>(const_cast<char*>(window.in));
        stream_.avail_in = static_cast<uInt>(window.in_left);
        stream_.next_out = reinterpret_cast<Bytef*>(window.out);
        stream_.avail_out = static_cast<uInt>(window.out_left);
        int answer = ::inflate(&stream_, Z_NO_FLUSH);
        window.advance(stream_.avail_in, stream_.avail_out);
        switch (answer) {
            case Z_OK:
            case Z_BUF_ERROR:
                return Step::more;
            case Z_STREAM_END:
                return Step::member_ended;
            default:
                return Step::broken;
        }
    }

private:
    z_stream stream_{};
};

class Bunzip final : public Decoder::Codec {
public:
    ~Bunzip() override { end(); }

    bool begin() override {
        end();
        stream_ = {};
        open_ = ::BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK;
        return open_;
    }

    Step step(Window& window) override {
        stream_.next_in = const_cast<char*>(window.in);
        stream_.avail_in = static_cast<unsigned>(window.in_left);
        stream_.next_out = window.out;
        stream_.avail_out = static_cast<unsigned>(window.out_left);
        int answer = ::BZ2_bzDecompress(&stream_);
        window.advance(stream_.avail_in, stream_.avail_out);
        switch (answer) {
            case BZ_OK:
                return Step::more;
            case BZ_STREAM_END:
                return Step::member_ended;
            case BZ_MEM_ERROR:
                return Step::memory;
            default:
                return Step::broken;
        }
    }

private:
    void end() {
        if (open_) {
            ::BZ2_bzDecompressEnd(&stream_);
            open_ = false;
        }
    }

    bz_stream stream_{};
    bool open_ = false;
};

class Unlzma final : public Decoder::Codec {
public:
    Unlzma(Kind kind, std::uint64_t max_memory_bytes)
        : alone_(kind == Kind::lzma), max_memory_bytes_(max_memory_bytes) {}
    ~Unlzma() override { ::lzma_end(&stream_); }

    bool begin() override {
        auto answer = alone_
                          ? ::lzma_alone_decoder(&stream_, max_memory_bytes_)
                          : ::lzma_stream_decoder(&stream_, max_memory_bytes_,
                                                  LZMA_TELL_UNSUPPORTED_CHECK);
        return answer == LZMA_OK;
    }

    Step step(Window& window) override {
        stream_.next_in = reinterpret_cast<const std::uint8_t*>(window.in);
        stream_.avail_in = window.in_left;
        stream_.next_out = reinterpret_cast<std::uint8_t*>(window.out);
        stream_.avail_out = window.out_left;
        auto answer = ::lzma_code(&stream_, LZMA_RUN);
        window.advance(stream_.avail_in, stream_.avail_out);
        switch (answer) {
            case LZMA_OK:
            case LZMA_BUF_ERROR:
                return Step::more;
            case LZMA_STREAM_END:
                return Step::member_ended;
            case LZMA_MEMLIMIT_ERROR:
            case LZMA_MEM_ERROR:
                return Step::memory;
            default:
                return Step::broken;
        }
    }

private:
    lzma_stream stream_ = LZMA_STREAM_INIT;
    bool alone_;
    std::uint64_t max_memory_bytes_;
};

class Unzstd final : public Decoder::Codec {
public:
    explicit Unzstd(std::uint64_t max_memory_bytes)
        : context_(::ZSTD_createDCtx()) {
        if (context_ == nullptr) {
            throw std::bad_alloc();
        }
        int log = ::ZSTD_dParam_getBounds(ZSTD_d_windowLogMax).lowerBound;
        while (log < 31 && (2ULL << log) <= max_memory_bytes) {
            ++log;
        }
        ::ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, log);
    }
    ~Unzstd() override { ::ZSTD_freeDCtx(context_); }

    bool begin() override {
        auto answer = ::ZSTD_DCtx_reset(context_, ZSTD_reset_session_only);
        return ::ZSTD_isError(answer) == 0;
    }

    Step step(Window& window) override {
        ZSTD_inBuffer in{window.in, window.in_left, 0};
        ZSTD_outBuffer out{window.out, window.out_left, 0};
        auto answer = ::ZSTD_decompressStream(context_, &out, &in);
        window.advance(in.size - in.pos, out.size - out.pos);
        if (::ZSTD_isError(answer) != 0) {
            auto code = ::ZSTD_getErrorCode(answer);
            return code == ZSTD_error_frameParameter_windowTooLarge ||
                           code == ZSTD_error_memory_allocation
                       ? Step::memory
                       : Step::broken;
        }
        return answer == 0 ? Step::member_ended : Step::more;
    }

private:
    ZSTD_DCtx* context_;
};

std::unique_ptr<Decoder::Codec> make_codec(Kind kind,
                                           std::uint64_t max_memory_bytes) {
    switch (kind) {
        case Kind::bzip2:
            return std::make_unique<Bunzip>();
        case Kind::xz:
        case Kind::lzma:
            return std::make_unique<Unlzma>(kind, max_memory_bytes);
        case Kind::zstd:
            return std::make_unique<Unzstd>(max_memory_bytes);
        default:
            return std::make_unique<Gunzip>();
    }
}

}  // namespace

Decoder::Decoder(std::unique_ptr<ByteStream> in, Kind kind,
                 std::uint64_t max_memory_bytes, ArchiveBudget* budget)
    : in_(std::move(in)),
      kind_(kind),
      max_memory_bytes_(max_memory_bytes),
      budget_(budget),
      codec_(make_codec(kind, max_memory_bytes)),
      buffer_(kBufferBytes) {}

Decoder::~Decoder() = default;

void Decoder::on_member(std::function<void(std::uint64_t)> told) {
    told_ = std::move(told);
}

std::uint64_t Decoder::skip(std::uint64_t /*bytes*/) {
    return 0;
}

Error Decoder::broken(std::string_view how) const {
    return {Code::invalid_argument,
            std::string(kind_name(kind_)) + " data " + std::string(how)};
}

Result<void> Decoder::refill() {
    LS_TRY(size, in_->read(buffer_));
    next_ = buffer_.data();
    left_ = size;
    read_ += size;
    in_ended_ = size == 0;
    return {};
}

/// Between two members: passes padding. False if there is no more member.
Result<bool> Decoder::begin_member() {
    bool padding = (kind_ == Kind::gzip || kind_ == Kind::xz) && members_ > 0;
    bool padded = false;
    for (;;) {
        while (padding && left_ > 0 && *next_ == 0) {
            padded = true;
            ++next_;
            --left_;
        }
        if (left_ > 0) {
            break;
        }
        if (in_ended_) {
            if (members_ == 0) {
                return broken("ends early");
            }
            return false;
        }
        LS_CHECK(refill());
    }
    if (padded || (kind_ == Kind::lzma && members_ > 0)) {
        return broken("is followed by other data");
    }
    if (!codec_->begin()) {
        return Error{
            Code::too_large,
            "no memory for " + std::string(kind_name(kind_)) + " data"};
    }
    return true;
}

Result<std::size_t> Decoder::read(std::span<char> into) {
    auto room = std::min<std::size_t>(into.size(), 1U << 30);
    while (!ended_ && room > 0) {
        if (between_) {
            LS_TRY(more, begin_member());
            ended_ = !more;
            between_ = false;
            continue;
        }
        if (left_ == 0 && !in_ended_) {
            LS_CHECK(refill());
        }
        Window window{next_, left_, into.data(), room};
        auto step = codec_->step(window);
        bool idle = window.in_left == left_ && window.out_left == room;
        next_ = window.in;
        left_ = window.in_left;
        if (step == Step::memory) {
            return Error{Code::too_large,
                         std::string(kind_name(kind_)) +
                             " data needs more memory than " +
                             std::to_string(max_memory_bytes_) + " bytes"};
        }
        if (step == Step::broken) {
            return broken("is damaged");
        }
        if (step == Step::member_ended) {
            between_ = true;
            ++members_;
            if (told_) {
                told_(read_ - left_);
            }
        } else if (idle && (left_ > 0 || in_ended_)) {
            return broken(in_ended_ ? "ends early" : "is damaged");
        }
        if (window.out_left < room) {
            auto size = room - window.out_left;
            if (budget_ != nullptr) {
                LS_CHECK(budget_->decompressed(size));
                LS_CHECK(budget_->time());
            }
            return size;
        }
    }
    return std::size_t{0};
}

Kind compression_of(std::string_view begin) noexcept {
    using namespace std::string_view_literals;
    constexpr std::array<std::pair<std::string_view, Kind>, 4> kMagic = {{
        {"\x1f\x8b"sv, Kind::gzip},
        {"BZh"sv, Kind::bzip2},
        {"\xfd"
         "7zXZ\0"sv,
         Kind::xz},
        {"\x28\xb5\x2f\xfd"sv, Kind::zstd},
    }};
    for (const auto& [magic, kind] : kMagic) {
        if (begin.starts_with(magic)) {
            return kind;
        }
    }
    return Kind::plain;
}

std::string_view kind_name(Kind kind) noexcept {
    switch (kind) {
        case Kind::tar:
            return "tar";
        case Kind::zip:
            return "zip";
        case Kind::ar:
            return "ar";
        case Kind::plain:
            return "uncompressed";
        case Kind::gzip:
            return "gzip";
        case Kind::bzip2:
            return "bzip2";
        case Kind::xz:
            return "xz";
        case Kind::zstd:
            return "zstd";
        case Kind::lzma:
            return "lzma";
    }
    return "";
}

}  // namespace longshore
