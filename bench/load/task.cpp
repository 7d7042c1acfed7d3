#include "load/task.hpp"

#include <algorithm>
#include <cstdlib>

namespace longshore::load {
namespace {

std::string host_line(const Options& options) {
    return "Host: 127.0.0.1:" + std::to_string(options.port) + "\r\n";
}

std::string unexpected(const char* step, int expected, int found) {
    return std::string(step) + ": expected status " + std::to_string(expected) +
           ", found " + std::to_string(found);
}

class GetTask : public Task {
public:
    GetTask(const Options& options, Shared& shared)
        : options_(options),
          shared_(shared),
          start_(options.method + " "),
          rest_(" HTTP/1.1\r\n" + host_line(options)),
          no_body_(options.method == "HEAD") {
        for (const std::string& header : options.headers) {
            rest_ += header + "\r\n";
        }
        rest_ += "\r\n";
        head_ = start_ + options.targets.front() + rest_;
    }

    bool prepare(Outgoing& out) override {
        const std::size_t count = options_.targets.size();
        if (count > 1) {
            const std::uint64_t number =
                options_.first +
                shared_.next_target.fetch_add(1, std::memory_order_relaxed);
            head_.assign(start_)
                .append(options_.targets[number % count])
                .append(rest_);
        }
        out = Outgoing{};
        out.head = head_;
        out.no_body = no_body_;
        return true;
    }

    Verdict accept(const Response& response, std::uint64_t body_bytes,
                   std::string& why) override {
        if (response.status != options_.expect_status) {
            why = unexpected(options_.method.c_str(), options_.expect_status,
                             response.status);
            return Verdict::kWrong;
        }
        const std::int64_t length = no_body_
                                        ? response.content_length
                                        : static_cast<std::int64_t>(body_bytes);
        if (options_.expect_length >= 0 &&
            std::abs(length - options_.expect_length) > options_.length_slack) {
            why = "expected a length of " +
                  std::to_string(options_.expect_length) + ", found " +
                  std::to_string(length);
            return Verdict::kWrong;
        }
        return Verdict::kUnit;
    }

private:
    const Options& options_;
    Shared& shared_;
    std::string start_;
    std::string rest_;
    std::string head_;
    bool no_body_;
};

class PushTask : public Task {
public:
    PushTask(const Options& options, Shared& shared)
        : options_(options), shared_(shared) {}

    bool prepare(Outgoing& out) override {
        out = Outgoing{};
        if (step_ == Step::kIdle && !take_blob()) {
            return false;
        }
        switch (step_) {
            case Step::kPost:
                make_post(out);
                break;
            case Step::kPatch:
                make_patch(out);
                break;
            default:
                make_put(out);
                break;
        }
        return true;
    }

    Verdict accept(const Response& response, std::uint64_t /*body_bytes*/,
                   std::string& why) override {
        const bool last =
            step_ == Step::kPut || options_.style == PushStyle::kSingle;
        if (last) {
            if (response.status != 201) {
                why = unexpected(step_ == Step::kPut ? "PUT" : "POST", 201,
                                 response.status);
                return Verdict::kWrong;
            }
            step_ = Step::kIdle;
            return Verdict::kUnit;
        }
        if (response.status != 202) {
            why = unexpected(step_ == Step::kPost ? "POST" : "PATCH", 202,
                             response.status);
            return Verdict::kWrong;
        }
        if (!keep_location(response.location)) {
            why = "202 without a usable Location";
            return Verdict::kWrong;
        }
        const bool patches = options_.style == PushStyle::kChunked ||
                             options_.style == PushStyle::kStream;
        step_ =
            patches && sent_ < options_.body_bytes ? Step::kPatch : Step::kPut;
        return Verdict::kStep;
    }

private:
    enum class Step { kIdle, kPost, kPatch, kPut };

    bool take_blob() {
        const std::size_t index = shared_.next_blob.fetch_add(1);
        if (index >= options_.blobs.size()) {
            return false;
        }
        blob_ = &options_.blobs[index];
        sent_ = 0;
        step_ = Step::kPost;
        if (options_.style == PushStyle::kDav) {
            step_ = Step::kPut;
            location_ = "/" + options_.repository + "/" + blob_->digest;
        }
        return true;
    }

    // Keeps the path and query of a Location, which may be absolute.
    bool keep_location(const std::string& location) {
        std::size_t start = 0;
        const std::size_t scheme = location.find("://");
        if (scheme != std::string::npos) {
            start = location.find('/', scheme + 3);
        }
        if (start == std::string::npos || location.empty()) {
            return false;
        }
        location_ = location.substr(start);
        return location_.front() == '/';
    }

    std::string with_digest() const {
        if (options_.style == PushStyle::kDav) {
            return location_;
        }
        const char join = location_.find('?') == std::string::npos ? '?' : '&';
        return location_ + join + "digest=" + blob_->digest;
    }

    void add_body(Outgoing& out, std::uint64_t length) {
        if (sent_ == 0) {
            out.prefix = blob_->prefix;
        }
        out.offset = sent_ + out.prefix.size();
        out.length = length - out.prefix.size();
        sent_ += length;
    }

    void finish_head(Outgoing& out, std::uint64_t length) {
        head_ += " HTTP/1.1\r\n" + host_line(options_) +
                 "Content-Length: " + std::to_string(length) + "\r\n";
        if (length > 0) {
            head_ += "Content-Type: application/octet-stream\r\n";
        }
        head_ += range_ + "\r\n";
        range_.clear();
        out.head = head_;
    }

    void make_post(Outgoing& out) {
        head_ = "POST /v2/" + options_.repository + "/blobs/uploads/";
        std::uint64_t length = 0;
        if (options_.style == PushStyle::kSingle) {
            head_ += "?digest=" + blob_->digest;
            length = options_.body_bytes;
            add_body(out, length);
        }
        finish_head(out, length);
    }

    void make_patch(Outgoing& out) {
        const std::uint64_t left = options_.body_bytes - sent_;
        std::uint64_t length = left;
        if (options_.style == PushStyle::kChunked) {
            length = std::min(left, options_.chunk_bytes);
            range_ = "Content-Range: " + std::to_string(sent_) + "-" +
                     std::to_string(sent_ + length - 1) + "\r\n";
        }
        head_ = "PATCH " + location_;
        add_body(out, length);
        finish_head(out, length);
    }

    void make_put(Outgoing& out) {
        const std::uint64_t length = options_.body_bytes - sent_;
        head_ = "PUT " + with_digest();
        if (length > 0) {
            add_body(out, length);
        }
        finish_head(out, length);
    }

    const Options& options_;
    Shared& shared_;
    const Blob* blob_ = nullptr;
    Step step_ = Step::kIdle;
    std::uint64_t sent_ = 0;
    std::string location_;
    std::string head_;
    std::string range_;
};

}  // namespace

std::unique_ptr<Task> make_task(const Options& options, Shared& shared) {
    if (options.mode == Mode::kPush) {
        return std::make_unique<PushTask>(options, shared);
    }
    return std::make_unique<GetTask>(options, shared);
}

}  // namespace longshore::load
