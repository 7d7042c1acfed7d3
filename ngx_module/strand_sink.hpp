// A body on its way into a strand: what every upload does with its bytes and
// with what goes wrong meanwhile, whatever file is behind it. Event loop only.
#pragma once

#include <cstdint>
#include <limits>

#include "ngx_module/body.hpp"
#include "ngx_module/strand.hpp"

namespace longshore {

/// No limit for StrandSink.
inline constexpr auto kNoLimit = std::numeric_limits<std::uint64_t>::max();

/// In r->pool; never destroyed.
class StrandSink : public BodySink {
public:
    u_char* room(std::size_t& size) noexcept override;
    bool filled(std::size_t size) noexcept override;
    void flush() noexcept override { strand_.flush(); }
    void at_failure(ngx_int_t status) noexcept override;

    /// For UploadStrand::create(): the strand has something to tell.
    static void on_strand(ngx_http_request_t* r) noexcept;

protected:
    /// `max`: most bytes that the body may have. Unless `is_kept`, nothing but
    /// a commit leaves anything of the file.
    StrandSink(RequestCtx& ctx, UploadStrand& strand, std::uint64_t max,
               bool is_kept) noexcept
        : ctx_(ctx), strand_(strand), max_(max), is_kept_(is_kept) {}
    ~StrandSink() = default;

    /// Reads no more and finishes so.
    void end(Finish finish, const Digest& digest = Digest()) noexcept;

    /// The strand has finished and the client is there.
    virtual void answer() noexcept = 0;

    RequestCtx& ctx() noexcept { return ctx_; }
    UploadStrand& strand() noexcept { return strand_; }
    std::uint64_t received() const noexcept { return received_; }
    bool is_too_long() const noexcept { return is_too_long_; }
    /// What at_failure() was told, 0: the body is whole.
    ngx_int_t broken() const noexcept { return broken_; }
    /// Nothing went wrong, on either side.
    bool is_whole() const noexcept {
        return broken_ == 0 && !is_too_long_ &&
               strand_.result() == SessionResult::ok;
    }

private:
    RequestCtx& ctx_;
    UploadStrand& strand_;
    std::uint64_t max_;
    bool is_kept_;
    std::uint64_t received_ = 0;
    ngx_int_t broken_ = 0;
    bool is_too_long_ = false;
};

/// Answers for a body that broken() tells of.
ngx_int_t send_broken(RequestCtx& ctx, ngx_int_t broken) noexcept;

}  // namespace longshore
